"""Facts of Tcl on TMM that no other test holds; docs/fidelity.md lists them all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[[str], str]


def test_there_is_no_error_code(fails: Run) -> None:
    assert 'can\'t read "errorCode": no such variable' in fails("catch {error a b c}; set x $errorCode")


def test_the_published_way_to_read_the_error_stack(run: Run) -> None:
    stack = run('catch {set a [string range $missing 0 1]}; subst "\\$::errorInfo"')
    assert stack.startswith('can\'t read "missing": no such variable\n    while executing\n')


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("binary scan [binary format cSIW 1 2 3 4] cSIW a b c d; list $a $b $c $d", "1 2 3 4"),
        ("binary scan \\x00\\xff\\x01 H* x; set x", "00ff01"),
        ("binary scan [binary format a2xa2 ab cd] a2@3a* x y; list $x $y", "ab cd"),
        ("binary scan \\xff\\xfe\\xfd\\xfc I n; expr {$n & 0xffffffff}", "4294901244"),
        ("binary scan \\xff\\xfe S n; list $n [expr {$n & 0xffff}]", "-2 65534"),
        ("string length [binary format H* c3a9]", "2"),
    ],
)
def test_binary_fields(run: Run, body: str, value: str) -> None:
    assert run(body) == value


@pytest.mark.parametrize("end", [".b", "-1", "+1", "/x", ":x", ",", "=", "@"])
def test_a_variables_name_ends_at_other_characters(run: Run, end: str) -> None:
    assert run(f'set a_1 v; set x "$a_1{end}"') == f"v{end}"


COMMANDS = """ILX::init ILX::call ISTATS::incr JSON::root JSON::parse JSON::create JSON::get JSON::set JSON::type
    JSON::object JSON::array JSON::render SSE::field TCP::collect X509::cert_fields STREAM::expression rateclass
    WAM::enable DNS::name"""


@pytest.mark.parametrize("name", COMMANDS.split())
def test_commands_of_tmos_that_the_lab_lacks_are_refused_by_name(refused: Run, name: str) -> None:
    assert f"[not emulated by the lab: {name};" in refused(f"catch {{{name} x}}")
