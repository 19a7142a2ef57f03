"""The walk enters every script and expression of a rule, and refuses those it cannot read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bigip_sm.lab.tcl import load

Run = Callable[[str], str]

# Every place where a command can hide; the unknown one must be found in each.
PLACES = [
    "{}",
    "if {{1}} {{{}}}",
    "if {{1}} then {{{}}}",
    "if {{0}} {{}} else {{{}}}",
    "if {{0}} {{}} {{{}}}",
    "if {{0}} {{}} elseif {{1}} {{{}}}",
    "if {{[{}]}} {{}}",
    "if {{0}} {{}} elseif {{[{}] == 1}} {{}}",
    "if 1 {{{}}}",
    "while {{1}} {{{}}}",
    "while {{[{}]}} {{}}",
    "for {{{}}} {{1}} {{}} {{}}",
    "for {{}} {{[{}]}} {{}} {{}}",
    "for {{}} {{1}} {{{}}} {{}}",
    "for {{}} {{1}} {{}} {{{}}}",
    "foreach x {{1}} {{{}}}",
    "foreach x [{}] {{}}",
    "foreach {{x y}} {{1 2}} z {{1 2}} {{{}}}",
    "switch -- $x {{a {{{}}}}}",
    "switch -- $x {{a - b {{{}}} default {{}}}}",
    "switch -glob -- $x a {{}} b {{{}}}",
    "switch -- [{}] {{a {{}}}}",
    "catch {{{}}} e",
    "catch {{catch {{{}}}}}",
    "eval {{{}}}",
    "set x [{}]",
    'set x "a[{}]b"',
    "set x a[{}]b",
    "set x $a([{}])",
    'set x "$a(b[{}])"',
    "expr {{[{}]}}",
    "expr {{1 ? 2 : [{}]}}",
    'expr {{"a[{}]" eq "b"}}',
    "expr {{abs([{}])}}",
    "expr {{$a([{}])}}",
    'expr {{"a" contains "[{}]"}}',
    'expr {{[{}] contains "a"}}',
    "if {{1}}{{{}}}",
    "if {{1}}\n{{\n{}\n}}",
    "if {{0}} {{}}\nelse {{{}}}",
]


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_command_is_found(refused: Run, place: str) -> None:
    assert "[undefined procedure: nosuch][nosuch $y]" in refused(place.format("nosuch $y"))


@pytest.mark.parametrize("place", PLACES)
def test_an_operator_is_rewritten(place: str) -> None:
    body = load("/Common/r", "when HTTP_REQUEST {\n" + place.format("expr {$a contains $b}") + "\n}\n").handlers[0].body
    assert "contains($a , $b)" in body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("eval $x", "does not run scripts it cannot read"),
        ("eval set x $y", "eval takes one script in braces"),
        ("eval [list set x $y]", "does not run scripts it cannot read"),
        ("if $v {set x 1}", "an expression that is substituted twice"),
        ("if {$v} $body", "does not run scripts it cannot read"),
        ("while $v {set x 1}", "an expression that is substituted twice"),
        ('while "$v < 3" {set x 1}', "an expression that is substituted twice"),
        ("expr $x", "an expression that is substituted twice"),
        ("expr $x + 1", "an expression that is substituted twice"),
        ('expr "$x starts_with $y"', "an expression that is substituted twice"),
        ('catch "set x $y"', "does not run scripts it cannot read"),
        ("catch $script", "does not run scripts it cannot read"),
        ("foreach x $l $body", "does not run scripts it cannot read"),
        ("foreach $names $l {set x 1}", "the variables of foreach must be literal"),
        ("switch -- $x $patterns", "the patterns of switch must be in braces"),
        ("switch -- $x a $body", "does not run scripts it cannot read"),
        ("for {set i 0} {$i < 3} $next {}", "does not run scripts it cannot read"),
        ("$command a b", "a command's name must be literal"),
        ("[set c] a b", "a command's name must be literal"),
        ("string $sub abc", "the subcommand of string must be literal"),
        ("subst $x", "subst needs a literal"),
        ("subst -nocommands $x", "subst needs a literal"),
        ("subst {[set x]}", "subst of commands"),
        ("subst -nocommands {$a([set x])}", "subst of commands in the index"),
        ("call $p 1", "the procedure's name must be literal"),
        ("uplevel 1 {set x 1}", "not emulated by the lab: uplevel"),
        ("upvar #0 x y", "upvar to level #0"),
        ("upvar $n x y", "upvar to a level that is not literal"),
        ('if 1 "incr i"', "this script without braces"),
        ('catch "expr {$a contains $b}"', "does not run scripts it cannot read"),
        ("incr a([set x])", "whose name is made by a command"),
        ("{*}$command", "{*} expands nothing"),
        ("if {1} {" * 60 + "}" * 60, "nested deeper than 50"),
        ("set x " + "[set x " * 60 + "]" * 60, "nested deeper than 50"),
    ],
)
def test_what_cannot_be_read_is_refused(refused: Run, body: str, reason: str) -> None:
    assert reason in refused(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("if {1}", "wrong # args"),
        ("if {1} {} else", 'missing a script after "else"'),
        ("if {1} {} elseif", 'missing an expression after "elseif"'),
        ("if {1} {} elseif {1}", 'missing a script after "if"'),
        ("if {1} {} else {} {}", "extra words"),
        ("if {1}\n\n{set x 1}", "wrong # args"),
        ("if {0} {set x 1}\n\nelse {set x 2}", "undefined procedure: else"),
        ("switch -- $x {a}", "extra switch pattern with no body"),
        ("switch -- $x {a -}", 'no body specified for pattern "a"'),
        ("switch -- $x {}", "wrong # args"),
        ("switch -- $x {\n# note\na {}\n}", "a comment within switch is a pattern"),
        ("switch -x {a {}}", 'bad option "-x"'),
        ("foreach x {1} y {}", "wrong # args"),
        ("log local0. {text} # note", "wrong # args"),
        ("set x 1 2", "wrong # args"),
        ("return $x 1", "wrong # args"),
        ("catch {set x 1 2}", "wrong # args"),
        ("proc p {} {}", "command is not valid in the current scope"),
        ("eval {proc p {} {}}", "command is not valid in the current scope"),
        ("when HTTP_REQUEST {}", "command is not valid in the current scope"),
        ("else {}", "undefined procedure: else"),
        ("set x(1) $::static::y; set ::foo::x 1", "a variable of a namespace other than static"),
    ],
)
def test_what_is_wrong_is_refused(refused: Run, body: str, reason: str) -> None:
    assert reason in refused(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("if {1}{set r a}", "a"),
        ("if {0} {set r a} elseif {1} {set r b} else {set r c}", "b"),
        ("if {0} {set r a}\nelse {set r c}", "c"),
        ("if {1}\n{\nset r a\n}", "a"),
        ("set n 0; while {$n < 30}\n{\nset n [expr {$n + 31}]\n}\nset n", "31"),
        ("list a b\n{c}", "a b c"),
        ("expr 1 + 2", "3"),
        ('expr "1 + 2"', "3"),
        ("if 1 {set r 2}", "2"),
        ("if {1} return\nset x 5", ""),
        ("set x b; switch -glob -- $x {a - b* - c {set r 1} default {set r 2}}", "1"),
        ("set x b; switch -exact -- $x a {set r 1} b {set r 2}", "2"),
        ("set x [string repeat - 2]; switch -- $x {-- {set r 1}}", "1"),
        ("set l {}; foreach {a b} {1 2 3 4} {lappend l $b$a}; set l", "21 43"),
        ('foreach x {a b c} {if {$x eq "b"} break}; set x', "b"),
        ("subst {a$}", "a$"),
        ("return -1", "-1"),
        ("catch {return -code error oops} r; set r", "oops"),
        ("string match -nocase -A* -ab", "1"),
        ("lsearch {a -1} -1", "1"),
        ("set static::t 5; set r $static::t", "5"),
        ("set ::static::t 6; set r ${::static::t}", "6"),
    ],
)
def test_control_structures_run(run: Run, body: str, value: str) -> None:
    assert run(body) == value


def test_procedures_are_not_entered_by_their_bare_name() -> None:
    from bigip_sm.errors import RuleError

    rule = "proc p {} {}\nwhen HTTP_REQUEST {\n    %s\n}\n"
    with pytest.raises(RuleError, match=r"r:3: error: \[undefined procedure: p\]\[p\]"):
        load("/Common/r", rule % "p")
    assert load("/Common/r", rule % "call p").procedures[0].name == "p"
