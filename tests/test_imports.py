"""Imports go one way (docs/architecture.md): a table of who may import whom, held against every import statement."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMON = {"bigip_sm", "bigip_sm.errors"}
MAY_IMPORT = {
    "bigip_sm": set(),
    "bigip_sm.errors": set(),
    "bigip_sm.connections": set(),
    "bigip_sm.console": COMMON,
    "bigip_sm.tcl": COMMON,
    "bigip_sm.aws.hosts": set(),
    "bigip_sm.spec": COMMON | {"bigip_sm.aws.hosts"},
    "bigip_sm.audit": COMMON | {"bigip_sm.connections"},
    "bigip_sm.aws": COMMON | {"bigip_sm.spec", "bigip_sm.aws.hosts"},
    "bigip_sm.render": COMMON | {"bigip_sm.spec", "bigip_sm.lint", "bigip_sm.aws.hosts"},
    "bigip_sm.lint": COMMON | {"bigip_sm.spec", "bigip_sm.tcl"},
    "bigip_sm.bigip": COMMON | {"bigip_sm.spec"},
    "bigip_sm.lab": COMMON | {"bigip_sm.spec", "bigip_sm.connections", "bigip_sm.aws", "bigip_sm.tcl"},
    "bigip_sm.commands": COMMON
    | {
        "bigip_sm.console",
        "bigip_sm.spec",
        "bigip_sm.tcl",
        "bigip_sm.audit",
        "bigip_sm.aws",
        "bigip_sm.render",
        "bigip_sm.lint",
        "bigip_sm.bigip",
    },
    "bigip_sm.demo": COMMON
    | {"bigip_sm.spec", "bigip_sm.aws", "bigip_sm.render", "bigip_sm.lint", "bigip_sm.bigip", "bigip_sm.lab"},
    "rotator": COMMON | {"bigip_sm.console", "bigip_sm.spec", "bigip_sm.aws", "bigip_sm.bigip"},
    "bigip_sm.templates": set(),
    "bigip_sm.irules": set(),
}
"""Package -> what it may import of ours, besides itself. A name allows all below it, but "bigip_sm" only itself."""

LAB_VERBS = {f"bigip_sm.commands.{verb}" for verb in ("lab", "lab_rule", "lab_declare", "demo", "test")}
CLIENTS = {"httpx", "boto3", "botocore", "requests", "urllib3", "socket", "http", "ssl", "subprocess"}
HEAVY = ("pydantic", "httpx", "boto3", "botocore", "rich", "jinja2", "cryptography", "jsonschema", "yaml", "tkinter")


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of every module that is shipped."""
    for top, name in (("bigip_sm", "bigip_sm"), ("rotator", "rotator")):
        for path in sorted((ROOT / top).rglob("*.py")):
            dotted = ".".join([name, *path.relative_to(ROOT / top).with_suffix("").parts])
            yield dotted.removesuffix(".__init__"), path


def imports(tree: ast.AST, module: str, *, package: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands; ``from a import b`` yields ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + (1 if package else 0)
                base = ".".join([*parts[:keep], *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def owner(module: str) -> str:
    """The entry of ``MAY_IMPORT`` that a module belongs to: the longest one that contains it."""
    return max((name for name in MAY_IMPORT if below(module, name)), key=len)


def allowed(module: str, imported: str) -> bool:
    """Whether ``module`` may import ``imported``, a dotted name of ours."""
    if below(imported, owner(module)) and owner(imported) == owner(module):
        return True
    if below(imported, "bigip_sm.lab"):
        return module in LAB_VERBS or below(module, "bigip_sm.demo")
    if below(imported, "bigip_sm.demo"):
        return module in LAB_VERBS
    names = MAY_IMPORT[owner(module)]
    return any(below(imported, name) for name in names - {"bigip_sm"}) or (
        "bigip_sm" in names and owner(imported) == "bigip_sm"
    )


def violations(module: str, source: str, *, package: bool = False) -> list[str]:
    """Imports of ours that the table forbids, as ``line: name``."""
    return [
        f"{line}: {name}"
        for line, name in imports(ast.parse(source), module, package=package)
        if (below(name, "bigip_sm") or below(name, "rotator")) and not allowed(module, name)
    ]


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_imports_go_one_way(module: str, path: Path) -> None:
    assert violations(module, path.read_text("utf-8"), package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("bigip_sm.spec.load", "from bigip_sm.render import render"),
        ("bigip_sm.render", "def f():\n    import bigip_sm.bigip.as3"),
        ("bigip_sm.render.pools", "from bigip_sm.aws import sigv4"),
        ("bigip_sm.bigip.icontrol", "from bigip_sm.lab import network"),
        ("bigip_sm.bigip.icontrol", "from ..lab import network"),
        ("bigip_sm.commands.validate", "from bigip_sm.lab.lab import Lab"),
        ("bigip_sm.lab.lab", "from bigip_sm.bigip.icontrol import IControl"),
        ("bigip_sm.lint", "from bigip_sm import commands"),
        ("rotator.main", "from bigip_sm.commands.options import read_spec"),
        ("bigip_sm.commands.demo", "import rotator.main"),
        ("bigip_sm.spec", "from .. import aws"),
    ],
)
def test_the_rule_catches(module: str, statement: str) -> None:
    assert violations(module, statement, package=module.count(".") == 1 and module != "rotator.main")


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("bigip_sm.commands.demo", "from bigip_sm.lab.lab import Lab"),
        ("bigip_sm.render.pools", "from bigip_sm.aws.hosts import runtime_host"),
        ("bigip_sm.render.pools", "from . import reasons"),
        ("bigip_sm.commands.main", "import bigip_sm"),
        ("rotator.push", "from bigip_sm.bigip import records"),
    ],
)
def test_the_rule_allows(module: str, statement: str) -> None:
    assert violations(module, statement) == []


def test_every_package_is_shipped() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    shipped = set(settings["options"]["packages"].split())
    there = {module for module, path in modules() if path.name == "__init__.py"}
    assert shipped == there | {"bigip_sm.templates", "bigip_sm.irules"}


def test_render_and_spec_use_no_client() -> None:
    found = [
        f"{module}:{line}: {name}"
        for module, path in modules()
        if owner(module) in ("bigip_sm.render", "bigip_sm.spec")
        for line, name in imports(ast.parse(path.read_text("utf-8")), module, package=path.name == "__init__.py")
        if name.split(".")[0] in CLIENTS
    ]
    assert found == []


def test_the_start_of_the_command_line_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from bigip_sm.commands.main import main\n"
        "assert main(['--help']) == 0\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded:"
    assert "validate" in ran.stdout
