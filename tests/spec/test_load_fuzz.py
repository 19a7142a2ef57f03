"""Whatever the text is, loading ends in a spec or in SpecError with readable problems, and never in a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigip_sm.errors import Problem, SpecError
from bigip_sm.spec import load
from bigip_sm.spec.positions import parse

QUICKSTART = (Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml").read_text("utf-8")
DATA: dict[str, Any] = parse("g.yaml", QUICKSTART).root.value
LINES = QUICKSTART.splitlines()
TOKENS = [
    *(
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\n",
        "\n  ",
        "\t",
        "#",
        "&a ",
        "*a ",
        "<<: ",
        "!!int ",
        "!x ",
        "---\n",
    ),
    *('"', "'", "|\n", ">-\n", "\\", "%", "@", "~", "null", "no", "1e3", "0o7", "12:30", ".inf", "%YAML 1.2\n", "..."),
    *("version", "gateway", "routes", "chat", "allow", "staff:*", "type", "network", "networks", "file", "[key]", "0"),
    *("\x00", "\x85", "\u2028", "\ufeff", "\ud800", "\U0001f600", "é", "\r", "\r\n", "\u202e", "99999999999999999999"),
]
quick = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4) | st.sampled_from(LINES), max_size=40).map("".join)


def problems(text: str) -> tuple[Problem, ...]:
    try:
        load(Path("g.yaml"), text)
    except SpecError as error:
        return error.problems or (Problem("g.yaml", 0, "", "an error without problems", ""),)
    return ()


def check(text: str) -> None:
    """Load ``text``; of what is said, each problem is one printable line about a line of the text."""
    for problem in problems(text):
        assert 1 <= problem.line <= len(text.splitlines()) + 1
        assert problem.message
        assert problem.fix
        assert str(problem).isprintable()
        assert len(str(problem)) < 2500


@quick
@given(texts)
def test_text_made_of_yaml_tokens(text: str) -> None:
    check(text)


@quick
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    check(text)


@quick
@given(st.data())
def test_the_quickstart_with_characters_changed(data: st.DataObject) -> None:
    text = QUICKSTART
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 20))
        text = text[:start] + data.draw(st.sampled_from(TOKENS) | st.text(max_size=3)) + text[start + length :]
    check(text)


@quick
@given(st.data())
def test_the_quickstart_with_lines_moved(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        line = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
        indent = data.draw(st.sampled_from(["", " ", "  ", "    "]))
        lines.insert(data.draw(st.integers(0, len(lines))), indent + line)
    check("\n".join(lines))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a tree of dicts and lists, without the root."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for step, child in list(steps):
        found += [(*path, step), *places(child, (*path, step))]
    return found


PLACES = places(DATA)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
values = st.recursive(
    scalars | st.sampled_from(["staff:*", "no", "10.0.0.0/8", "/v1/*", "us-east-1", "network", "client-certificate"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["type", "file", "networks", "name"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@quick
@given(st.data())
def test_the_quickstart_with_values_changed(data: st.DataObject) -> None:
    changed = copy.deepcopy(DATA)
    for path in data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4)):
        parent: Any = changed
        try:
            for step in path[:-1]:
                parent = parent[step]
            if data.draw(st.booleans()):
                parent[path[-1]] = data.draw(values)
            else:
                del parent[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    check(json.dumps(changed, indent=1, ensure_ascii=data.draw(st.booleans())))


@quick
@given(values)
def test_what_json_means_is_what_is_read(value: Any) -> None:
    """JSON is YAML: whatever is read without a problem is what JSON's own parser reads."""
    text = json.dumps({"key": value}, indent=1)
    try:
        document = parse("g.yaml", text)
    except SpecError:
        return
    if not document.problems:
        assert document.root.value == json.loads(text)
