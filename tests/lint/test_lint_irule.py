"""Rules over iRule text beyond the example of each, and text that must pass."""

import tkinter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.lint import lint_irule
from bigip_sm.lint.lines import lines
from bigip_sm.lint.text import brace_error, glued_line


def broken(body: str, event: str = "HTTP_REQUEST") -> list[str]:
    """``rule:line`` of each finding in a handler with ``body``, whose first line is line 2."""
    text = f"when {event} priority 500 {{\n{body}\n}}\n"
    return [f"{finding.rule[4:]}:{finding.where.rpartition(':')[2]}" for finding in lint_irule(text, "rule")]


@pytest.mark.parametrize(
    "body",
    [
        "    switch -glob $x {\n    }",
        "    switch [HTTP::host] {\n    }",
        "    switch -exact -glob [string tolower [HTTP::host]] {\n    }",
        '    regexp "$pattern" $value',
        "    regsub -all $pattern $value {} result",
        "    if { [class match [HTTP::host] equals hosts] } { pool web }",
        "    set found [class search -value hosts equals $x]\n    set y [class search -value $x]",
    ],
)
def test_values_that_may_be_options(body: str) -> None:
    assert set(broken(body)) in ({"R003:2"}, {"R003:3"})


@pytest.mark.parametrize(
    "body",
    [
        "    switch -glob -- $x {\n    }",
        "    switch -exact -- [HTTP::host] {\n    }",
        "    switch literal {\n    }",
        "    regexp -- $pattern $value",
        "    regexp {^[a-z]+$} $value",
        "    regsub -all {[^a-z]} $value {} result",
        "    if { [class match -value -- $x equals hosts] ne {} } { pool web }",
        "    if { [class match [IP::client_addr] equals partners] } { pool web }",
        "    # switch $x is only mentioned",
        "    set pattern {switch $x}",
    ],
)
def test_values_that_are_no_options(body: str) -> None:
    assert broken(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "    set a [dict get $d k]",
        "    dict set d k v",
        "    lassign $pair a b",
        "    try {\n        pool web\n    } on error {} { }",
        "    set now [clock milliseconds]",
        '    log local0. "at [clock milliseconds]"',
        "    set r [string reverse $x]",
        "    lset x 0 [lreverse $y]",
        "    call work {*}$arguments",
        "    catch { throw {A B} message }",
    ],
)
def test_newer_tcl(body: str) -> None:
    assert set(broken(body)) == {"R004:2"}


@pytest.mark.parametrize(
    "body",
    [
        "    exec ls",
        "    set f [open /etc/passwd]",
        "    set p [pid]",
        "    catch { source other.tcl }",
        "    if { $x } { exit }",
        "    if { [file exists x] } { pool web }",
        "    proc inner { a } {\n        return $a\n    }",
        "    when HTTP_RESPONSE priority 500 {\n    }",
        "    set x [encoding names]",
    ],
)
def test_what_tmm_refuses(body: str) -> None:
    assert set(broken(body)) == {"R005:2"}


@pytest.mark.parametrize(
    "body",
    [
        "    set words {exec open [pwd]}",
        "    set table {\n        exec\n        open\n    }",
        "    foreach verb { open close exec } { pool $verb }",
        "    switch -- $verb {\n        open -\n        close { pool web }\n        exec {\n        }\n    }",
        "    regexp -- {^[open close]+[cd]$} $x",
        '    HTTP::respond 200 content "open \\[exec x\\]"',
        "    set open 1\n    if { $open } {\n        pool web\n    } else {\n        pool other\n    }",
        "    call file_of $x",
        "    HTTP::header insert time [clock seconds]",
    ],
)
def test_words_that_are_no_commands(body: str) -> None:
    assert broken(body) == []


@pytest.mark.parametrize("body", ["    pool web # default", "    if { $x } {\n    } # end"])
def test_trailing_comments(body: str) -> None:
    assert [found[:4] for found in broken(body)] == ["R006"]


@pytest.mark.parametrize(
    "body",
    [
        "    # alone",
        "    pool web ;# default",
        "    pool web; # default",
        '    HTTP::respond 200 content "a # b"',
        "    set x {a # b}",
        "    if { $x } { # why\n    }",
        "    set parts [split $x #]",
        "    set parts [join $x { # }]",
        '    set quoted "a \\" # b"',
    ],
)
def test_what_is_no_trailing_comment(body: str) -> None:
    assert broken(body) == []


def test_the_text_must_be_plain() -> None:
    assert broken("    # größer") == ["R006:2"]
    assert broken("    # nul \0") == ["R006:2"]
    assert broken("    pool web\r") == ["R006:2"]
    assert broken("    # one { too many") == ["R006:1"]
    assert broken("    # one } too many") == ["R006:3"]


@pytest.mark.parametrize("body", ["    set ::a 1", "    set x $::a", "    global a", "    incr ::ns::a"])
def test_globals(body: str) -> None:
    assert broken(body) == ["R007:2"]


def test_what_is_no_global() -> None:
    assert broken('    set ::static::a 1\n    set x $static::b\n    set e [subst "\\$::errorInfo"]') == []
    assert broken("    set a 1", event="RULE_INIT") == ["R007:2"]
    assert broken("    set static::a 1\n    set ::static::b 2", event="RULE_INIT") == []


def test_handlers() -> None:
    text = "when A priority 1 {\n}\nwhen B {\n}\nwhen A priority 2 {\n}\nwhen C timing off priority 3 {\n}\n"
    found = [(finding.rule, finding.where) for finding in lint_irule(text, "rule")]
    assert found == [("BSM-R015", "rule:3"), ("BSM-R005", "rule:5")]


def test_layout() -> None:
    assert broken(f"    set x 1; set y {'a' * 102}") == ["R022:2"]
    assert broken(f"    set x 1; set y {'a' * 101}") == []
    assert broken(f"    set x {'a' * 200}") == [], "one command cannot be broken: AS3 joins continuation lines"
    assert [finding.rule for finding in lint_irule("proc a {} {\n}", "rule")] == ["BSM-R022"]


PUBLISHED_STYLE = """\
# Purpose: what many published rules look like. { } in comments balance.
when RULE_INIT priority 500 {
    set static::sample_limit 10
    array set static::sample_map {
        open 1
        time 2
    }
}
proc sample_join { items separator } {
    set out ""
    foreach item $items {
        append out $item $separator
    }
    return [string range $out 0 end-1]
}
when CLIENT_ACCEPTED priority 500 {
    set count 0
}
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path]]
    switch -glob -- $path {
        "/api/[a-z]*" -
        "/time" { pool api_pool }
        default {
            if { [class match -- [HTTP::host] ends_with internal_hosts] and not ([HTTP::cookie exists "sid"]) } {
                HTTP::redirect "https://[getfield [HTTP::host] ":" 1][HTTP::uri]"
                return
            } elseif { $count > $static::sample_limit } {
                HTTP::respond 429 content {{"error": "slow down"}} "Retry-After" 1
            } else {
                incr count
            }
        }
    }
    if { [catch { set joined [call sample_join [list a b] ,] } problem] } {
        log local0. "problem: $problem"
    }
    if { [regexp -nocase -- {^/v[0-9]+/(?:open|exec)/([^/]+)} $path -> name] } {
        HTTP::header insert X-Name [URI::encode $name]
    }
    for { set i 0 } { $i < 3 } { incr i } {
        set table_key "k$i"
        table add -- $table_key 0 indefinite 60
    }
    after 100 {
        log local0. "later"
    }
}
"""


def test_published_style_passes() -> None:
    assert lint_irule(PUBLISHED_STYLE, "rule") == []


def test_contexts_of_lines() -> None:
    contexts = {line.code: (line.context, line.depth, line.event) for line in lines(PUBLISHED_STYLE)}
    assert contexts["time 2"] == ("data", 2, "RULE_INIT")
    assert contexts["append out $item $separator"] == ("code", 2, "")
    assert contexts["switch -glob -- $path {"] == ("code", 1, "HTTP_REQUEST")
    assert contexts["default {"] == ("switch", 2, "HTTP_REQUEST")
    assert contexts["incr count"] == ("code", 4, "HTTP_REQUEST")


@given(st.text(alphabet="{}\\a \n", max_size=20))
def test_braces_are_counted_as_tcl_counts_them(text: str) -> None:
    """A list of one braced word is what Tcl makes of balanced text; a newline ends it, as AS3's script has one."""
    try:
        balanced = len(_tcl().splitlist("{" + text + "\n}")) == 1
    except tkinter.TclError:
        balanced = False
    assert (brace_error(text) == "") == balanced


def _tcl() -> Any:
    return tkinter.Tcl().tk


@given(st.text(alphabet='{}[]"\\#; $when swich\n', max_size=60))
def test_any_text_is_linted_without_an_error(text: str) -> None:
    lint_irule(text, "rule")


def test_lines_that_as3_glues() -> None:
    assert glued_line("a\\\nb") == 1
    assert glued_line("a\n\\\nb") == 2
    assert glued_line("a \\\n  b\nc\t\\\nd") == 0
