"""What the docs say is true: their commands run, their links lead somewhere, their generated parts are current."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import generated_pages
import pytest

from bigip_sm.commands.main import VERBS, cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def console_commands(page: Path) -> list[str]:
    """Commands of the ``console`` blocks: lines that begin with a dollar sign."""
    return [
        line.removeprefix("$ ")
        for block in blocks(page.read_text("utf-8"), "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def our_commands() -> Iterator[tuple[str, str]]:
    """(page, command) of every line in a fenced block of any page that calls bigip-sm."""
    for page in PAGES:
        for block in re.findall(r"^```[a-z]*\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.removeprefix("$ ").split("  #")[0].strip()
                if command.startswith("bigip-sm "):
                    yield page.name, command


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has after cloning, as far as the commands of the README need it."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "declarations", folder / "declarations")
    return folder


@pytest.fixture
def environment() -> dict[str, str]:
    schema = os.environ.get("BIGIP_SM_AS3_SCHEMA")
    found = {"BIGIP_SM_AS3_SCHEMA": str((ROOT / schema).resolve())} if schema else {}
    return {**os.environ, **found, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def runs_by_itself(command: str) -> bool:
    """``demo`` and ``lab up`` have tests of their own: test_demo.py, test_lab_up.py."""
    return not command.startswith(("bigip-sm demo", "bigip-sm lab up"))


def test_the_commands_of_the_readme_run_in_their_order(clone: Path, environment: dict[str, str]) -> None:
    commands = [command for command in console_commands(README) if runs_by_itself(command)]
    assert len(commands) >= 5
    for command in commands:
        ran = subprocess.run(
            ["sh", "-c", command], cwd=clone, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
        assert ran.stderr == "", command
    assert {"declaration.json", "data-groups.json", "irules"} <= {path.name for path in (clone / "build").iterdir()}


@pytest.mark.parametrize(("page", "command"), list(our_commands()))
def test_every_command_in_the_docs_exists_with_its_options(page: str, command: str) -> None:
    words = shlex.split(command.split(">")[0].split("|")[0])[1:]
    found: click.Command = cli
    context = click.Context(cli)
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(context, words[0])
        assert inner is not None, f"{page}: no command {words[0]!r} in: {command}"
        found, words = inner, words[1:]
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert used <= known | {"--help", "--version"}, f"{page}: {command}"


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example(verb: str) -> None:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    leaves = [*found.commands.values()] if isinstance(found, click.Group) else [found]
    for leaf in leaves:
        assert f"bigip-sm {verb}" in (leaf.help or ""), leaf.name


@pytest.mark.parametrize("name", generated_pages.PARTS)
def test_generated_parts_are_current(name: str) -> None:
    page, now, wanted = generated_pages.current(name)
    assert now == wanted, f"{page.name} is out of date: run `make docs`"


def test_every_reason_is_explained_once() -> None:
    from bigip_sm.render.reasons import REASONS

    text = (ROOT / "docs" / "reasons.md").read_text("utf-8")
    assert re.findall(r"^### (\S+)$", text, re.MULTILINE) == sorted(
        REASONS, key=lambda code: (REASONS[code].status, code)
    )


def test_the_architecture_page_knows_every_stage_and_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    stages = [path.name.removesuffix(".tcl.j2") for path in (ROOT / "irules").glob("*.j2")]
    packages = [path.parent.name for path in (ROOT / "bigip_sm").glob("*/__init__.py")]
    assert len(stages) > 10
    assert [name for name in stages + packages if not re.search(rf"\b{name}\b", text)] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        destination = (page.parent / file).resolve() if file else page
        assert destination.exists(), target
        if anchor:
            assert anchor in anchors(destination), target


def test_make_help_names_every_target_of_the_docs() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    named = {
        word for page in PAGES for word in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert named <= set(re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE))
    assert {"setup", "demo", "test", "lint", "format", "clean"} <= named | {"lint", "clean"}


def test_the_shipped_text_names_no_machine_of_ours() -> None:
    assert [page.name for page in PAGES if re.search(r"/(work|root|tmp)/", page.read_text("utf-8"))] == []
