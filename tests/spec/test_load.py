"""Loading: what a right file becomes, what may never be shown, and what stays linear."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, model_validator

from bigip_sm.errors import SpecError
from bigip_sm.spec import load
from bigip_sm.spec.forms import Form, Suggester
from bigip_sm.spec.identities import NetworkIdentity
from bigip_sm.spec.load import load_model
from bigip_sm.spec.model import Spec
from bigip_sm.spec.names import NAME_PATTERN, credential_group, object_path, pool_item
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.scalars import Model

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "declarations" / "quickstart" / "gateway.yaml"
CASES = Path(__file__).parent / "cases"
ROUTE = """  route_{n}:
    listener: {listener}
    match: {{path: /endpoints/model-{n}/invocations, methods: [POST, GET]}}
    upstream: {upstream}
    allow: ["staff:*", batch:nightly-batch]
    approved_by: {{name: security-review, ticket: SEC-1413, date: 2026-10-02}}
"""


def problems(run: Callable[[], object]) -> list[str]:
    with pytest.raises(SpecError) as raised:
        run()
    return [str(problem) for problem in raised.value.problems]


def many(routes: int, *, wrong: bool = False) -> str:
    """The text of a gateway with many routes, each with two dangling names if ``wrong``."""
    text = (CASES / "unused_is_fine.yaml").read_text("utf-8")
    for number in range(routes):
        upstream = f"llama{number}" if wrong else "llama"
        text += ROUTE.format(n=number, listener="publik" if wrong else "public", upstream=upstream)
    return text


def calls(run: Callable[[], object]) -> int:
    """How many Python functions are called: a measure of work that no other process disturbs."""
    count = 0

    def counter(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counter)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def test_the_quickstart_is_right() -> None:
    spec = load(QUICKSTART)
    assert list(spec.identities) == ["staff", "batch"]
    batch = spec.identities["batch"]
    assert isinstance(batch, NetworkIdentity)
    assert {str(network): subject for network, subject in batch.networks.items()} == {"10.30.0.0/16": "nightly-batch"}
    assert spec.upstreams["llama"].timeout == 120
    assert spec.routes["chat"].limits.body == 4 * 1024**2
    assert spec.routes["chat"].approved_by.date.isoformat() == "2026-10-02"


def test_a_spec_survives_being_dumped_and_validated() -> None:
    spec = load(QUICKSTART)
    assert Spec.model_validate(spec.model_dump()) == spec
    assert Spec.model_validate_json(spec.model_dump_json()) == spec


def test_text_is_read_in_place_of_the_file() -> None:
    text = QUICKSTART.read_text("utf-8")
    assert load(Path("<stdin>"), text) == load(QUICKSTART)
    line = text.splitlines().index("    role: chat") + 1
    (said,) = problems(lambda: load(Path("<stdin>"), text.replace("role: chat", "role: chatt")))
    assert said.startswith(f'<stdin>:{line}: upstreams.llama.role: there is no role "chatt"; did you mean "chat"? (')


@pytest.mark.parametrize("name", ["nowhere.yaml", ".", "a\0b", "x" * 300])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, name: str) -> None:
    (said,) = problems(lambda: load(tmp_path / name))
    assert ":1: cannot be read: " in said


def test_a_file_that_never_ends_is_one_problem() -> None:
    zero = Path("/dev/zero")
    if not zero.exists():
        pytest.skip("no /dev/zero here")
    assert len(problems(lambda: load(zero))) == 1


def test_a_large_file_is_one_problem() -> None:
    (said,) = problems(lambda: load(Path("gateway.yaml"), "#" * (4 * 1024**2 + 1)))
    assert said == "gateway.yaml:1: the file is larger than 4 MiB; split it into several gateways"


def test_nesting_and_aliases_cost_no_stack() -> None:
    assert len(problems(lambda: load(Path("g.yaml"), "[" * 900_000))) == 1
    assert len(problems(lambda: load(Path("g.yaml"), "{a: " * 400_000))) == 1
    assert len(problems(lambda: load(Path("g.yaml"), "- " * 400_000))) == 1
    assert len(problems(lambda: load(Path("g.yaml"), "? " * 400_000))) == 1


def test_lone_surrogates_are_one_problem() -> None:
    (said,) = problems(lambda: load(Path("g.yaml"), "version: 1\nowner: \udc80\n"))
    assert said.startswith("g.yaml:2: character U+DC80 is not allowed")


class Secret(Model):
    """Named, not written."""

    env: Annotated[str, Form("a variable", "capital letters", "PASSWORD")] | None = Field(
        default=None, pattern=r"^[A-Z_]+$"
    )
    file: str | None = Field(default=None, max_length=20)

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("write either {env: NAME} or {file: PATH}")
        return self


class Keyed(Model):
    """Another way to log in."""

    user: str
    key: PemFile


class Login(Model):
    """A union of models, beside a field that is never shown."""

    password: Secret = Field(repr=False)
    other: Secret | Keyed | None = None
    level: int = Field(default=1, ge=1, le=3)
    ratio: float = 0.5


def login(text: str) -> list[str]:
    return problems(lambda: load_model(Login, Path("devices.yaml"), text))


def test_load_model_takes_any_model() -> None:
    loaded = load_model(Login, Path("devices.yaml"), "password: {env: HERE}\nratio: 1\n")
    assert loaded.password.env == "HERE"
    assert loaded.ratio == 1


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2",
        "password: 12345",
        "password: [hunter2]",
        "password: {env: hunter2}",
        "password: {env: 12345}",
        "password: {file: hunter2-hunter2-hunter2-hunter2}",
        "password: {env: [hunter2]}",
        "password: {env: true, file: hunter2}",
    ],
)
def test_what_may_be_a_secret_is_not_shown(text: str) -> None:
    said = "\n".join(login(text + "\n"))
    assert said.startswith("devices.yaml:1: password")
    assert "hunter2" not in said
    assert "12345" not in said


def test_a_validator_of_a_whole_mapping_gives_the_advice() -> None:
    assert login("password: {}\n") == [
        "devices.yaml:1: password: this cannot be used as it is; write either {env: NAME} or {file: PATH}"
    ]


def test_a_union_is_told_by_its_likeliest_branch() -> None:
    prefix = "password: {env: A}\nother: "
    assert login(prefix + "{user: x}\n") == ["devices.yaml:2: other.key: this key is missing; add it: a mapping"]
    assert login(prefix + "{env: a}\n") == [
        'devices.yaml:2: other.env: "a" is not a variable; write capital letters, such as PASSWORD'
    ]
    assert login(prefix + "{user: 5, key: {file: a, txt: b}}\n") == [
        "devices.yaml:2: other.key.txt: unknown key; remove it; the keys here are file",
        'devices.yaml:2: other.user: must be text, not a number; put it in quotes: "5"',
    ]
    assert login(prefix + "5\n") == [
        "devices.yaml:2: other: must be a mapping, not a number; write {env: ..., file: ...} or {user: ..., key: ...}"
    ]


def test_numbers() -> None:
    assert login("password: {env: A}\nlevel: 4\nratio: half\n") == [
        "devices.yaml:2: level: 4 is too large; write at most 3",
        "devices.yaml:3: ratio: must be a number, not text; write a number",
    ]


def test_a_suggestion_is_looked_for_in_bounds() -> None:
    assert Suggester().nearest("chatt", ["classifier", "chat"]) == "chat"
    assert Suggester().nearest("CHAT", ["classifier", "chat"]) == "chat"
    assert Suggester().nearest("zebra", ["classifier", "chat"]) is None
    assert Suggester(budget=1).nearest("chatt", ["classifier", "chat"]) is None


@pytest.mark.parametrize("wrong", [False, True])
def test_the_work_grows_with_the_number_of_routes_and_not_faster(wrong: bool) -> None:
    def work(routes: int) -> int:
        text = many(routes, wrong=wrong)

        def run() -> None:
            if wrong:
                assert len(problems(lambda: load(Path("g.yaml"), text))) == 2 * routes
            else:
                assert len(load(Path("g.yaml"), text).routes) == routes + 1

        return calls(run)

    work(1)  # imports are not counted
    few, twice = work(200), work(400)
    assert twice < 2.2 * few


def test_nested_networks_and_prefixes_are_compared_with_the_nearest_only() -> None:
    base = (CASES / "unused_is_fine.yaml").read_text("utf-8")
    identities = "".join(f"  office{n}: {{type: network, networks: {{0.0.0.0/0: x}}}}\n" for n in range(100))
    nested = ", ".join(f"0.0.0.0/{length}: s{length}" for length in range(1, 33))
    text = base.replace("10.30.0.0/16: nightly-batch}}\n", f"{nested}}}}}\n{identities}")
    said = problems(lambda: load(Path("g.yaml"), text.replace("batch:nightly-batch", "batch:s7")))
    assert len([one for one in said if "lies within" in one]) == 31
    assert len([one for one in said if "identities.office0.networks" in one and "takes them first" in one]) == 99
    assert len(said) == 130

    for number in range(100):
        route = ROUTE.format(n=number, listener="public", upstream="llama")
        base += route.replace(f"/endpoints/model-{number}/invocations", '"/' + "a/" * number + '*"')
    said = problems(lambda: load(Path("g.yaml"), base))
    assert len([one for one in said if "is also taken by" in one]) == len(said) == 100


def test_names_derived_from_the_longest_names_fit_as3() -> None:
    name = "a" * 41
    assert re.fullmatch(NAME_PATTERN, name)
    # AS3: /tenant/application/item has at most 195 characters (MAX_PATH_LENGTH in its constants.js).
    assert len(object_path(name, pool_item(name, "us-isob-northeast-1"))) <= 195
    assert len(object_path(name, f"networks_{name}")) <= 195
    assert len(credential_group(name, name)) <= 195


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = (
        "import sys, bigip_sm.spec, bigip_sm.spec.names, bigip_sm.spec.load\n"
        "print([name for name in ('pydantic', 'yaml', 'cryptography', 'jsonschema') if name in sys.modules])\n"
        "bigip_sm.spec.load(__import__('pathlib').Path(sys.argv[1]))\n"
        "print('cryptography' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(QUICKSTART)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.stdout.splitlines() == ["[]", "False"]
