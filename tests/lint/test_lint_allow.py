"""Comments that allow a finding, with a reason."""

from __future__ import annotations

import pytest

from bigip_sm.lint import lint_irule

HEADER = "# Purpose: an example\n"
SLOW = "if { [regexp {^/a} [HTTP::uri]] } {"


def found(text: str) -> list[str]:
    return [f"{one.rule[4:]}:{one.line}" for one in lint_irule(HEADER + text, "rule")]


def handler(*lines: str, above: str = "") -> str:
    body = "".join(f"    {line}".rstrip() + "\n" for line in lines)
    return f"{above}when HTTP_REQUEST priority 500 {{\n{body}}}\n"


def test_the_command_below() -> None:
    comment = "# bigip-sm: allow BSM-R016 because the vendor wants it"
    assert found(handler(comment, SLOW, "}")) == []
    assert found(handler(comment, "# more words", "", SLOW, "}")) == []
    assert found(handler(SLOW, "}", comment, SLOW, "}")) == ["R016:3"]
    assert found(handler(comment, "if { $x } {", f"    {SLOW}", "    }", "}")) == ["R009:4"]


def test_the_end_of_a_line() -> None:
    comment = ";# bigip-sm: allow BSM-R016 because the vendor wants it"
    assert found(handler(f"{SLOW} {comment}", "}")) == []
    assert found(handler(f"{SLOW}", f"}} {comment}")) == ["R016:3", "A002:4"]


def test_a_handler_and_a_file() -> None:
    comment = "# bigip-sm: allow BSM-R016 because the vendor wants it\n"
    one = handler(SLOW, "}")
    other = one.replace("HTTP_REQUEST", "LB_SELECTED")
    assert found(handler(SLOW, "}", above=comment)) == []
    assert found(comment + one + other) == ["R016:8"]
    assert found(comment.replace("allow", "allow-file") + one + other) == []


def test_several_rules() -> None:
    comment = "# bigip-sm: allow BSM-R016, BSM-R017 because the vendor wants it"
    test = 'if { [regexp {^/a} [HTTP::uri]] == "x" } {'
    assert found(handler(comment, test, "}")) == []
    assert found(handler(comment.replace(",", ""), test, "}")) == []
    assert found(handler(comment, SLOW, "}")) == ["A002:3"]


@pytest.mark.parametrize(
    "comment",
    [
        "# bigip-sm: allow BSM-R016",
        "# bigip-sm: allow BSM-R016 because",
        "# bigip-sm: allow BSM-R016 because  ",
        "# bigip-sm: allow because it is so",
        "# bigip-sm: allow BSM-R016 it is so",
        "# bigip-sm: allow R016 because it is so",
        "# bigip-sm: allow-all BSM-R016 because it is so",
        "# bigip-sm: allow bsm-r016 because it is so",
    ],
)
def test_without_a_reason_or_a_rule_nothing_is_allowed(comment: str) -> None:
    assert found(handler(comment, SLOW, "}")) == ["A001:3", "R016:4"]


def test_what_only_looks_like_one() -> None:
    assert found(handler('set x "# bigip-sm: allow"', "# bigip-sm: gateway quickstart", "# allow BSM-R016")) == []


def test_where_the_text_cannot_be_read() -> None:
    comment = "# bigip-sm: allow BSM-R006 because the rest is missing on purpose"
    assert found(f"{comment}\nwhen HTTP_REQUEST priority 500 {{\n") == []
