"""Rules over iRule text beyond the examples of each: other spellings, and text that must pass."""

from __future__ import annotations

import pytest

from bigip_sm.lint import lint_irule
from bigip_sm.lint.text import brace_error, glued_line


def text(body: str, event: str = "HTTP_REQUEST") -> str:
    """A handler whose body begins in line 2."""
    return f"when {event} priority 500 {{\n{body}\n}}\n"


def broken(rule: str, whole: str) -> list[int]:
    """Lines in which a rule is broken; ``rule`` is its last part, as R003."""
    return [finding.line for finding in lint_irule(whole, "rule") if finding.rule == f"BSM-{rule}"]


def test_findings_say_where_they_are() -> None:
    (found,) = [one for one in lint_irule(text("    pool web\n    exec ls"), "a/b.tcl") if one.rule == "BSM-R005"]
    assert (found.where, found.line, found.column) == ("a/b.tcl:3", 3, 5)
    assert found.message == 'command is disabled: "exec"'


def test_findings_are_in_the_order_of_the_text() -> None:
    found = lint_irule(text("    exec ls; exec ls\n    if $x {\n        open\n    }"), "rule")
    assert found == sorted(found, key=lambda one: (one.line, one.column))
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "body",
    [
        "if $x {pool web}",
        'if {1} "pool $x"',
        "if {0} {pool a} elseif $x {pool b}",
        "while [next] {pool web}",
        "set y [expr $x+1]",
        "set y [expr 2 * $x]",
        'set y [expr "$x" == "a"]',
        'for {set i 0} {$i < 3} "incr i $x" {pool web}',
    ],
)
def test_substituted_twice(body: str) -> None:
    assert broken("R001", text(body)) == [2]


@pytest.mark.parametrize(
    "body",
    [
        "while 1 {pool web}",
        "set y [expr 1 + 2]",
        "if 1 then {pool web}",
        "catch release",
        "if {$x} return",
        "if {$x}\n{\n}",
    ],
)
def test_nothing_to_substitute_twice(body: str) -> None:
    assert broken("R001", text(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        "set h [HTTP::header X]; set i $h; set j [string tolower $i]; eval $j",
        'set h [HTTP::uri]; eval "log local0. $h"',
        "foreach p [split [HTTP::query] &] { eval $p }",
        "regexp {x=(.*)} [HTTP::query] all code; after 10 $code",
        "if {[HTTP::cookie value x] == 1} { subst [HTTP::payload] }",
        "set name [HTTP::header X]; set $name 1",
        "set name x[HTTP::header X]; incr $name",
        "[HTTP::header X] a b",
        'set x "[HTTP::host]"; expr $x',
    ],
)
def test_code_from_outside(body: str) -> None:
    assert broken("R002", text(body)) == [2]


@pytest.mark.parametrize(
    "body",
    [
        'set n [string length [HTTP::uri]]; eval "set x $n"',
        "set h [HTTP::header X]; eval [list log local0. $h]",
        "eval $static::script",
        "set h [HTTP::header X]; set a($h) 1; set x [subst -nocommands -novariables $h]",
        'set h [b64encode [HTTP::header X]]; eval "set x $h"',
        "set x [subst {the host is [HTTP::host]}]",
        "after 1000 { log local0. [HTTP::uri] }",
    ],
)
def test_no_code_from_outside(body: str) -> None:
    assert broken("R002", text(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        "switch -glob $x {\n    }",
        "switch [HTTP::host] {\n    }",
        "switch -exact -glob [string tolower [HTTP::host]] {\n    }",
        'regexp "$pattern" $value',
        "regexp -start 2 $pattern $value",
        "regsub -all $pattern $value {} result",
        "if { [class match [HTTP::host] equals hosts] } { pool web }",
        "set x [class search -value $group equals $x]",
        "set x [table lookup [HTTP::header X]]",
        "set x [table set -subtable s -excl [HTTP::header X] 1]",
        "set k [HTTP::header X]; set m $k; table incr $m",
        "set n 1; switch [expr {$n - 2}] {\n    }",
        "regexp -foo $value",
    ],
)
def test_values_that_may_be_options(body: str) -> None:
    assert broken("R003", text(body)) == [2]


@pytest.mark.parametrize(
    "body",
    [
        "switch -glob -- $x {\n    }",
        "switch literal {\n    }",
        "switch [expr {$n * 2}] {\n    }",
        "regexp {^[a-z]+$} $value",
        "regexp -nocase {^[a-z]+$} $value",
        'regexp "^$x" $value',
        "regsub -all {[^a-z]} $value {} result",
        "if { [class match -value -- $x equals hosts] ne {} } { pool web }",
        "if { [class match [IP::client_addr] equals partners] } { pool web }",
        "if { [class match [getfield [IP::client_addr] % 1] equals partners] } { pool web }",
        "set k client_[HTTP::header X]; table incr -notouch $k",
        "set k [string tolower [HTTP::path]]; switch $k {\n    }",
        "foreach k {a b} { switch $k {\n    } }",
        "switch [string length [HTTP::host]] {\n    }",
        "# switch $x is only mentioned",
        "set pattern {switch $x}",
        "set x [table keys -subtable s -count]",
    ],
)
def test_values_that_are_no_options(body: str) -> None:
    assert broken("R003", text(body)) == []


def test_values_are_followed_into_procedures() -> None:
    whole = (
        text("    call count [IP::client_addr]\n    call count a:[HTTP::host]")
        + "proc count {k} {\n    table incr $k\n}\n"
    )
    assert broken("R003", whole) == []
    assert broken("R003", whole.replace("a:[", "[")) == [6]


@pytest.mark.parametrize(
    "body",
    [
        "set a [dict get $d k]",
        "dict set d k v",
        "try {\n        pool web\n    } on error {} { }",
        'log local0. "at [clock milliseconds]"',
        "lset x 0 [lreverse $y]",
        "call work {*}$arguments",
        "catch { throw {A B} message }",
        "if { $a ni {b c} } { pool web }",
        "set x [clock format 0 -timezone :UTC]",
        "return -level 0 x",
        "set x [string range $s 0 end+1]",
        "set x [string index $s $i-1]",
    ],
)
def test_newer_tcl(body: str) -> None:
    assert broken("R004", text(body)) == [2]


@pytest.mark.parametrize(
    "body",
    [
        "set x [string range $s 0 end-1]",
        "set x [lindex $l end-$i]",
        "set x [lindex $l [expr {$i+1}]]",
        "set dict 1",
        "set x {dict}",
        'if { $x contains "in" } { pool web }',
        "set x [clock format 0 -format %Y -gmt 1]",
        "set x [lsort -dictionary $l]",
    ],
)
def test_old_tcl(body: str) -> None:
    assert broken("R004", text(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        "exec ls",
        "set f [open /etc/passwd]",
        "set p [pid]",
        "catch { source other.tcl }",
        "if { $x } { exit }",
        "if { [file exists x] } { pool web }",
        "after 10 { exec ls }",
        "proc inner { a } {\n        return $a\n    }",
        "when HTTP_RESPONSE priority 500 {\n    }",
        "set x [encoding names]",
        "HTTP::Uri",
        "http::uri",
        "IP::client",
        "else { pool web }",
        "incr",
        "break 1",
    ],
)
def test_what_tmm_refuses(body: str) -> None:
    assert broken("R005", text(body)) == [2]


@pytest.mark.parametrize(
    "body",
    [
        "set words {exec open [pwd]}",
        "set table {\n        exec\n        open\n    }",
        "foreach verb { open close exec } { pool $verb }",
        "switch -- $verb {\n        open -\n        close { pool web }\n        exec {\n        }\n    }",
        "regexp -- {^[open close]+[cd]$} $x",
        'HTTP::respond 200 content "open \\[exec x\\]"',
        "set open 1\n    if { $open } {\n        pool web\n    } else {\n        pool other\n    }",
        "call library::file_of $x",
        "call /Common/folder/library::p $x",
        "$command a b",
        "ACCESS::session data get session.user",
        "LB::reselect pool other",
        "http_uri",
        "peer { TCP::close }",
        "connect -timeout 100 -idle 30 -status s 10.0.0.1:80",
        "::set x 1",
    ],
)
def test_words_that_are_no_refused_commands(body: str) -> None:
    assert broken("R005", text(body)) == []


@pytest.mark.parametrize(
    ("event", "body", "bad"),
    [
        ("HTTP_RESPONSE", "set x [HTTP::path]", True),
        ("HTTP_RESPONSE", "set x [HTTP::status]", False),
        ("HTTP_RESPONSE", "HTTP::header insert X [HTTP::header Y]", False),
        ("HTTP_REQUEST", "set x [HTTP::status]", True),
        ("LB_SELECTED", "HTTP::respond 200", True),
        ("LB_FAILED", "HTTP::respond 200", False),
        ("RULE_INIT", "pool web", True),
        ("HTTP_RESPONSE", "clientside { set x [HTTP::uri] }", False),
        ("SERVER_CONNECTED", "SSL::profile /Common/x", False),
    ],
)
def test_commands_outside_of_their_events(event: str, body: str, bad: bool) -> None:
    assert broken("R005", text(body, event)) == ([2] if bad else [])


@pytest.mark.parametrize("body", ["pool web # default", "if { $x } {\n    } # end", "set a b # c # d"])
def test_trailing_comments(body: str) -> None:
    found = {one.rule for one in lint_irule("# header\n" + text(f"    {body}"), "rule")}
    assert "BSM-R006" in found
    assert not found & {"BSM-R000", "BSM-R005"}


@pytest.mark.parametrize(
    "body",
    [
        "# alone",
        "pool web ;# default",
        "pool web; # default",
        'HTTP::respond 200 content "a # b"',
        "set x {a # b}",
        "if { $x } { # why\n    }",
        "set parts [split $x #]",
        "set parts [join $x { # }]",
        'set quoted "a \\" # b"',
        'switch -- $x {\n        "#" { pool web }\n        #* -\n        b { pool web }\n    }',
    ],
)
def test_what_is_no_trailing_comment(body: str) -> None:
    assert broken("R006", text(body)) == []


def test_the_text_must_be_plain() -> None:
    assert broken("R006", text('    set x "größer"')) == [2]
    assert broken("R006", text("    # größer")) == []
    assert broken("R022", text("    # größer")) == [2]
    assert broken("R006", text("    # nul \0")) == [2]
    assert broken("R006", text("    # one { too many")) == [1]
    assert broken("R006", text("    # one } too many")) == [3]
    assert broken("R006", text("    set x a\\\r\n    b")) == [2]
    assert broken("R022", text("    pool web\r")) == [2]


@pytest.mark.parametrize(
    "body",
    [
        "set ::a 1",
        "set x $::a",
        "global a",
        "incr ::ns::a",
        "if { $::a } { pool web }",
        'log local0. "$::a(b)"',
        "unset ::a",
    ],
)
def test_globals(body: str) -> None:
    assert broken("R007", text(body)) == [2]


def test_what_is_no_global() -> None:
    assert broken("R007", text('set x $static::b\nset e [subst "\\$::errorInfo"]\nset y {$::a}')) == []
    assert broken("R007", text("set a 1", "RULE_INIT")) == [2]
    assert broken("R007", text("set static::ex_a 1\nset ::static::ex_b 2\nset static::maxRate 3", "RULE_INIT")) == []
    assert broken("R007", text("set static::debug 1\nset static::ex_a 2", "RULE_INIT")) == [2]
    assert broken("R007", text("incr static::ex_a")) == [2]


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        ('not $x contains "a"', True),
        ("!$x", False),
        ("! $x", False),
        ('not ($x contains "a")', False),
        ('not $x and $y contains "a"', False),
        ("![info exists x] || $y == 1", False),
        ("!($x) == 1", True),
        ("!!$x", False),
        ("$y == !$x", False),
        ("not {abc}", True),
        ("(not [a]) eq 1", False),
    ],
)
def test_negations(condition: str, bad: bool) -> None:
    assert broken("R008", text(f"if {{ {condition} }} {{ pool web }}")) == ([2] if bad else [])


@pytest.mark.parametrize(
    "body",
    [
        "incr n",
        "set x $never",
        "if { $never } { pool web }",
        "if {[HTTP::uri] eq {}} { set y 1 }\nset x $y",
        "switch -- [HTTP::host] { a {set y 1} b {set y 2} }\nset x $y",
        "set x $y\nset y 1",
        "if {[HTTP::uri] eq {}} { set x $y; set y 1 }",
        "foreach i {a b} { set x $y; set y 1 }",
        "set never",
    ],
)
def test_variables_without_a_value(body: str) -> None:
    assert len(broken("R009", text(body))) == 1


@pytest.mark.parametrize(
    "body",
    [
        "set n 0\nincr n",
        "append a b; lappend c d; set x $a$c",
        "if {[info exists y]} { set x $y }",
        "if {[HTTP::uri] eq {}} { set y 1 } else { set y 2 }\nset x $y",
        "if {[HTTP::uri] eq {}} { set y 1 } else { return }\nset x $y",
        "if {[HTTP::uri] eq {}} { set y 1; set z 1 }\nif {[HTTP::host] eq {}} { set x $y }",
        "if {[HTTP::uri] eq {}} { set y 1 }\nif {[HTTP::uri] ne {}} { return }\nset x $y",
        "switch -- [HTTP::host] { a {set y 1} default {set y 2} }\nset x $y",
        "foreach {a b} [split x] { set c $a$b }\nset x $c",
        "while {[next]} { set c 1 }\nset x $c",
        "if {[catch {set y [work]} problem]} { log local0. $problem; return }\nset x $y",
        "regexp {(.)(.)} $static::s all first second\nset x $first$second",
        "scan 10:20 %d:%d a b; binary scan ab aa c d; set x $a$b$c$d",
        "regsub {a} b c result; set x $result",
        "array set map {a 1}; set x $map(a)",
        "call fill total; set x $total",
        "set $static::name 1; set x $y",
        "catch { set x $never }",
        "set x $static::other",
        "set map(a) 1; set x $map(a)",
        "upvar #0 a b; set x $b",
        "set first 1\nforeach i {a b} {\nif {$first} { set first 0 } else { set x $last }\nset last $i\n}",
        "if {[HTTP::request_num] > 1} { set x $last }\nset last [HTTP::uri]",
    ],
)
def test_variables_with_a_value(body: str) -> None:
    assert broken("R009", text(body)) == []


def test_variables_of_other_events() -> None:
    accepted, response = text("set n 0", "CLIENT_ACCEPTED"), text("set x $n\nset y $u", "HTTP_RESPONSE")
    request = text("incr n\nset u [HTTP::uri]")
    assert broken("R009", accepted + request + response) == []
    assert broken("R009", request + response) == [2]
    assert broken("R009", text("set x $late", "CLIENT_ACCEPTED") + text("set late 1", "CLIENT_CLOSED")) == [2]


def test_what_a_request_leaves_for_the_next() -> None:
    request = "if {[HTTP::uri] eq {}} {\nset flag 1\n}"
    use = text("if {[info exists flag]} { HTTP::header remove X }", "HTTP_RESPONSE")
    assert broken("R009", text(request) + use) == [6 + 1]
    assert broken("R009", text("set flag 0\n" + request) + use) == []
    assert broken("R009", text("unset -nocomplain flag\n" + request) + use) == []
    assert broken("R009", text(request) + text("set flag 0", "CLIENT_ACCEPTED") + use) == []
    assert broken("R009", text("if {![info exists flag]} {\nset flag 1\n}") + use) == []
    guarded = text("if {$api} { HTTP::header insert X $flag }", "HTTP_RESPONSE")
    both = "set api 0\nif {[HTTP::uri] eq {}} {\nset api 1\nset flag 1\n}"
    assert broken("R009", text(both) + guarded) == []
    assert broken("R009", text("if {[HTTP::uri] eq {}} {\nHTTP::respond 400\nreturn\n}\nset flag 1") + use) == []


@pytest.mark.parametrize(
    "body",
    [
        "HTTP::respond 200\nHTTP::header insert X 1",
        "HTTP::redirect /\nif {$x} { set u [HTTP::uri] }",
        "if {$x} { HTTP::respond 200 }\nset u [HTTP::uri]",
        "switch $x { a { HTTP::respond 200 } }\nHTTP::uri /",
        "foreach i {a} { HTTP::respond 200 }\nHTTP::uri /",
        "HTTP::respond 200\nHTTP::respond 404",
        "drop\nHTTP::respond 200",
    ],
)
def test_after_an_answer(body: str) -> None:
    assert len(broken("R010", text(body))) == 1


@pytest.mark.parametrize(
    "body",
    [
        "HTTP::respond 200\nlog local0. done",
        "HTTP::respond 200 content [HTTP::uri]\nreturn",
        "if {$x} { HTTP::respond 200; return }\nset u [HTTP::uri]",
        "if {$x} { HTTP::respond 200 } else { set u [HTTP::uri] }",
        "if {$x} { HTTP::respond 200 } elseif {[HTTP::uri] eq {}} { pool web }",
        "if {$x} { HTTP::respond 200 }\nif {!$x} { set u [HTTP::uri] }",
        "if {$x} { HTTP::respond 200 }\nif {$x} { return }\nset u [HTTP::uri]",
        "switch $x { a { HTTP::respond 200 } b { HTTP::redirect / } default { HTTP::uri / } }",
        "reject\nlog local0. [HTTP::uri]",
        "HTTP::respond 200\nif {[HTTP::has_responded]} { return }",
        "while {$x} { HTTP::respond 200; break }",
    ],
)
def test_nothing_after_an_answer(body: str) -> None:
    assert broken("R010", text(body)) == []


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("event disable all", True),
        ("HTTP::respond 200\nevent disable all\nreturn", True),
        ("reject\nevent disable all", False),
        ("TCP::close\nevent disable all", False),
        ("HTTP::respond 200 Connection close\nevent disable all", False),
        ("event disable", False),
        ("event HTTP_RESPONSE disable", False),
    ],
)
def test_event_disable_all(body: str, bad: bool) -> None:
    assert bool(broken("R010", text(body))) == bad


COLLECTED = text("HTTP::release", "HTTP_REQUEST_DATA")


@pytest.mark.parametrize(
    "body",
    [
        "HTTP::collect [HTTP::header Content-Length]",
        "set n [HTTP::header value content-length]\nif {$n > 0} {\nHTTP::collect $n\n}",
        "HTTP::collect",
        "HTTP::collect 100\nHTTP::collect 200",
    ],
)
def test_collects(body: str) -> None:
    assert broken("R011", text(body) + COLLECTED) != []


@pytest.mark.parametrize(
    "body",
    [
        "HTTP::collect 1048576",
        "if {$x} { HTTP::collect 100 } else { HTTP::collect 200 }",
        "if {[HTTP::header Content-Length] ne {} && [HTTP::header Content-Length] <= 1000} {\n"
        "set n [HTTP::header Content-Length]\n} else {\nset n 1000\n}\nif {$n > 0} { HTTP::collect $n }",
        "HTTP::collect [expr {$static::limit + 1}]",
        "HTTP::collect $static::limit",
    ],
)
def test_bounded_collects(body: str) -> None:
    assert broken("R011", text(body) + COLLECTED) == []


def test_collects_of_tcp() -> None:
    assert broken("R011", text("TCP::collect", "CLIENT_ACCEPTED")) == [2]
    assert broken("R011", text("TCP::collect", "CLIENT_ACCEPTED") + text("TCP::release", "CLIENT_DATA")) == []
    assert broken("R011", "proc p {} {\n    HTTP::collect 10\n}\n") == []


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("pool $x", True),
        ("set x a_pool\npool $x", False),
        ("pool $static::ex_pool", False),
        ("pool pool_[HTTP::host]", True),
        ("catch {pool $x} problem\nlog local0. $problem", False),
        ("catch {pool web}", True),
        ("catch {unset x}", False),
        ("set failed [catch {pool web}]", False),
        ("if {[catch {pool web}]} { }", True),
        ("if {[catch {pool web}] && $x} { }", False),
        ("set x [class match -- a equals $group]", True),
        ("set x [class match -- $x equals group]", False),
        ("set x [b64decode [HTTP::header X]]", True),
        ("set x [b64decode $static::ex_text]", False),
        ("table set k v [HTTP::header X]", True),
        ("table set k v $static::ex_time", False),
    ],
)
def test_what_may_fail(body: str, bad: bool) -> None:
    assert bool(broken("R012", text(body))) == bad


def test_procedures_that_are_always_called_in_catch() -> None:
    procedure = "proc choose {name} {\n    pool $name\n}\n"
    assert broken("R012", procedure + text("call choose a")) == [2]
    assert broken("R012", procedure + text("if {[catch {call choose a} problem]} { reject }")) == []
    both = text("if {[catch {call choose a} problem]} { reject }") + text("call choose b", "LB_FAILED")
    assert broken("R012", procedure + both) == [2]


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("HTTP::header insert X-Client-Cert [X509::whole [SSL::cert 0]]", True),
        ("HTTP::header remove X-Client-Cert\nHTTP::header insert X-Client-Cert a", False),
        ("HTTP::header replace Authorization a", False),
        ("HTTP::header insert X-Forwarded-For [IP::client_addr]", False),
        ("HTTP::header insert A b X-Remote-User c", True),
        ("foreach n $static::names { HTTP::header remove $n }\nHTTP::header insert X-Remote-User c", False),
        ("HTTP::header sanitize Host\nHTTP::header insert X-Remote-User c", False),
        ("HTTP::redirect [URI::decode [HTTP::query]]", True),
        ("HTTP::redirect https://[HTTP::host][HTTP::uri]", False),
        ("HTTP::respond 302 Location [URI::decode [HTTP::query]]", True),
        ("HTTP::respond 200 content [URI::decode [HTTP::query]]", False),
        ("set q [URI::decode [HTTP::query]]\nif {$q eq {a}} { HTTP::redirect $q }", False),
        ('HTTP::redirect [string map {"\\n" {} "\\r" {}} [URI::decode [HTTP::query]]]', False),
        ("table set -- [HTTP::header Authorization] 1", True),
        ("table set -- [sha256 [HTTP::header Authorization]] 1", False),
        ("table set -subtable s -- k [HTTP::header Authorization]", False),
        ("if {$x} { log local0. [HTTP::password] }", True),
        ("if {$x} { log local0. [string length [HTTP::header Authorization]] }", False),
        ("if {$x} { log local0. [getfield [b64decode [getfield [HTTP::header Authorization] { } 2]] : 1] }", False),
    ],
)
def test_headers_and_tokens(body: str, bad: bool) -> None:
    assert bool(broken("R013", text(body))) == bad


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("log local0. a", True),
        ("if {$x} { log local0. a }", False),
        ("if {[catch {pool web}]} { log local0. a }", False),
        ("switch $x { a { log local0. a } }", False),
        ("if {$x} { log local0. [HTTP::cookie value a] }", True),
        ("if {$x} { log local0. [HTTP::cookie names] }", False),
        ('HSL::send $h "{\\"a\\": \\"[HTTP::uri]\\"}"', True),
        ('HSL::send $h "{\\"a\\": [HTTP::status]}"', False),
    ],
)
def test_logs(body: str, bad: bool) -> None:
    assert bool(broken("R014", text(body))) == bad
    assert broken("R014", text("log local0. a", "CLIENT_CLOSED")) == []


def test_handlers() -> None:
    whole = (
        "when A priority 1 {\n}\nwhen HTTP_RESPONSE {\n}\nwhen B timing off priority 3 {\n}\nwhen A priority 1 {\n}\n"
    )
    assert broken("R015", whole) == [3]
    assert broken("R005", whole) == [1, 5, 7]


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("regexp {^/a} [HTTP::uri]", True),
        ("regexp -- {a$} [HTTP::uri]", True),
        ("regexp {^/a/?$} [HTTP::uri]", False),
        ("regexp {^/a} [HTTP::uri] found", False),
        ("regexp -nocase {^/a} [HTTP::uri]", False),
        ("if {$x matches_regex {abc}} { pool web }", True),
        ("set a [clock seconds]; set b [clock seconds]", True),
        ("if {$x} { set a [clock seconds] } else { set b [clock seconds] }", False),
        ("after 10 { pool web }", True),
        ("after cancel $id", False),
        ("set a [HTTP::uri][HTTP::uri][HTTP::uri]", False),
        ("set a [HTTP::uri][HTTP::uri][HTTP::uri][HTTP::uri]", True),
        ("set a [HTTP::uri][HTTP::uri]; HTTP::uri /; set b [HTTP::uri][HTTP::uri]", False),
        (
            "switch $x { a { set u [HTTP::uri][HTTP::uri] } b { set u [HTTP::uri][HTTP::uri] } }",
            False,
        ),
    ],
)
def test_slow_ways(body: str, bad: bool) -> None:
    assert bool(broken("R016", text(body))) == bad


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        ('$x == "abc"', True),
        ('$x == "1"', False),
        ("$x != {}", True),
        ("$x == $y", False),
        ("$x == 0x10", False),
        ('$x eq "abc"', False),
        ("[clock format 0 -format %M] > 30", True),
        ("[clock format 0 -format %Y] > 2020", False),
        ("[HTTP::header Content-Length] > 10", False),
        ("[HTTP::header Content-Length] + 1 > 10", True),
    ],
)
def test_comparisons(condition: str, bad: bool) -> None:
    assert bool(broken("R017", text(f"if {{ {condition} }} {{ pool web }}"))) == bad


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("format %llx 1", True),
        ("format %lx 1", False),
        ("format 100%lld", True),
        ("binary scan $x c a; if {$a == 200} { pool web }", True),
        ("binary scan $x c a; if {$a == 20} { pool web }", False),
        ("binary scan $x c a; set a [expr {$a & 255}]; if {$a == 200} { pool web }", False),
        ("binary scan $x c* a; if {$a == 200} { pool web }", False),
        ("binary scan $x a2S n a; set b [expr {$a << 8}]", True),
        ("binary scan $x H2 a; set b [expr {0x$a << 8}]", False),
        ("binary scan $x I a; set b [expr {$a + 8}]", False),
    ],
)
def test_formats(body: str, bad: bool) -> None:
    assert bool(broken("R018", text(body))) == bad


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("if {[HTTP::uri] starts_with {/a}} { reject }", True),
        ("if {[HTTP::uri] starts_with {/a}} { pool web }", False),
        ("if {[string tolower [HTTP::path]] contains {/a}} { HTTP::respond 403 }", True),
        ("if {[HTTP::path -normalized] contains {/a}} { HTTP::respond 403 }", False),
        ("set p [HTTP::path]; if {$p eq {/a}} { drop }", True),
        ("if {[HTTP::host] eq {a}} { drop }", False),
        ("if {[HTTP::path] eq {/a}} { if {$x} { drop } }", False),
        ("HTTP::path a", True),
        ("HTTP::uri /a", False),
        ("HTTP::uri http://a/", False),
        ("HTTP::uri $x", False),
    ],
)
def test_paths(body: str, bad: bool) -> None:
    assert bool(broken("R020", text(body))) == bad


@pytest.mark.parametrize(
    ("header", "bad"),
    [
        ("", True),
        ("# Requires: TMOS 17\n", True),
        ("# Requires: TMOS 21 or newer\n", False),
        ("# BIG-IP v21.1 with a json profile\n", False),
        ("# version 2.1\n", True),
    ],
)
def test_versions(header: str, bad: bool) -> None:
    assert bool(broken("R021", header + text("set x 1", "SSE_RESPONSE"))) == bad


def test_layout() -> None:
    assert broken("R022", text(f"    # {'a' * 115}")) == [2]
    assert broken("R022", text(f"    # {'a' * 114}")) == []
    assert broken("R022", text(f"    HTTP::respond 200 content {'a' * 115}")) == []
    assert broken("R022", "proc a {} {\n}") == [2]
    assert broken("R022", text("    pool web  \n    pool web\t")) == [2]
    assert broken("R022", text("\tpool web\n\tpool web")) == [2]
    assert broken("R022", text("  pool web\n    pool web")) == [2]
    assert broken("R022", text('    set x "a\n  b"')) == []


def test_text_that_is_no_tcl() -> None:
    assert [(one.rule, one.line) for one in lint_irule("hello\n", "rule")] == [("BSM-R000", 1)]
    assert lint_irule("", "rule")[0].rule == "BSM-R022"
    found = {one.rule for one in lint_irule("# header\n" + text("    set a [b"), "rule")}
    assert found == {"BSM-R000"}


def test_braces_and_lines_that_as3_would_break() -> None:
    assert brace_error("a {\\}} b") == ""
    assert brace_error("a\n}") == "line 2 closes a brace that none opens"
    assert brace_error("{\n{") == "the brace opened in line 2 is never closed"
    assert glued_line("a \\\nb\\\nc") == 2
    assert glued_line("a \\\nb") == 0
