"""Loading whole rules: the top level, events, procedures, references to objects, and the words of TMOS."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigip_sm.errors import RuleError
from bigip_sm.lab.tcl import PROCEDURE_MARK, Handler, Procedure, load
from bigip_sm.tcl.commands import DISABLED

REALISTIC = r"""# Gateway rule: names the caller, decides, signs.
proc refuse {reason id {allow ""}} {
    if {[HTTP::has_responded]} {
        return
    }
    set status [string map {no-route 404 method-not-allowed 405} $reason]
    set body "{\"error\":{\"code\":\"$reason\",\"request_id\":\"$id\"}}"
    HTTP::respond $status content $body noserver Content-Type application/json X-Request-Id $id Allow $allow
}

proc encode {raw} {
    set encoded ""
    foreach piece [split $raw %] {
        set hex [string toupper [string range $piece 0 1]]
        if {![regexp -- {^[0-9A-F]{2}$} $hex]} {
            error "broken percent-encoding"
        }
        scan $hex %x code
        append encoded [format %c $code] [string range $piece 2 end]
    }
    return $encoded
}

when CLIENTSSL_HANDSHAKE priority 500 {
    set subject ""
    if {[SSL::cert count] > 0 && [SSL::verify_result] == 0} {
        set subject [X509::subject [SSL::cert 0] commonName]
    }
}

when HTTP_REQUEST priority 500 timing off {
    set id [format %08x [expr {int(rand() * 4294967295.0)}]]-[TMM::cmp_unit]
    if {[catch {
        set size 0
        scan [HTTP::header value Content-Length] %d size
        if {[HTTP::method] equals "POST" and not ([HTTP::path] starts_with "/v1/")} {
            call refuse no-route $id
            return
        }
        set target [class match -value -- "[HTTP::method] [HTTP::path]" equals /T/gateway/routes]
        switch -glob -- $target {
            "" { call refuse method-not-allowed $id GET }
            1|* - 2|* {
                set fields [split $target |]
                if {$size > [lindex $fields 6]} {
                    call refuse no-route $id
                    return
                }
            }
        }
        foreach name [HTTP::header names] {
            while {[HTTP::header exists $name] && $name ne "Host"} {
                HTTP::header remove $name
            }
        }
        set stamp [clock format [clock seconds] -gmt 1 -format %Y%m%dT%H%M%SZ]
        binary scan [CRYPTO::hash -alg sha256 $stamp] H* hash
        binary scan [CRYPTO::sign -alg hmac-sha256 -keyhex $hash "AWS4\n$stamp\n$hash"] H* signature
        HTTP::header insert X-Amz-Date $stamp Authorization "AWS4-HMAC-SHA256 Signature=$signature"
        if {[active_members /T/gateway/pool_a] > 0} {
            pool /T/gateway/pool_a
        } else {
            pool other
        }
        HTTP::collect [expr {$size + 1}]
    } failure] == 1} {
        log local0.err "request $id failed"
        call refuse no-route $id
    }
}

when HTTP_REQUEST_DATA {
    log local0. "[HTTP::payload length] bytes from [IP::client_addr]:[TCP::client_port]"
    HTTP::release
}

when SERVER_CONNECTED {
    SSL::profile /T/gateway/tls_a
}
when LB_FAILED { call refuse no-route $id }
"""


def message(text: str, path: str = "/T/gateway/rule") -> str:
    with pytest.raises(RuleError) as raised:
        load(path, text)
    return str(raised.value)


def test_a_realistic_rule_loads() -> None:
    rule = load("/T/gateway/rule", REALISTIC)
    assert [(handler.event, handler.priority, handler.timing) for handler in rule.handlers] == [
        ("CLIENTSSL_HANDSHAKE", 500, None),
        ("HTTP_REQUEST", 500, False),
        ("HTTP_REQUEST_DATA", 500, None),
        ("SERVER_CONNECTED", 500, None),
        ("LB_FAILED", 500, None),
    ]
    assert [(procedure.name, procedure.arguments) for procedure in rule.procedures] == [
        ("refuse", 'reason id {allow ""}'),
        ("encode", "raw"),
    ]
    assert rule.data_groups == {"/T/gateway/routes"}
    assert rule.pools == {"/T/gateway/pool_a", "/T/gateway/other"}
    assert rule.profiles == {"/T/gateway/tls_a"}


def test_rewriting_keeps_every_line_where_it_was() -> None:
    rule = load("/T/gateway/rule", REALISTIC)
    lines = REALISTIC.split("\n")
    parts: list[Handler | Procedure] = [*rule.handlers, *rule.procedures]
    for part in parts:
        body = part.body.replace(PROCEDURE_MARK, "call ").split("\n")
        assert lines[part.line - 1].endswith("{" + body[0]) or len(body) == 1
        for offset, line in enumerate(body[1:-1], start=part.line):
            original = lines[offset]
            # The same line: its first word and, unless an operator was rewritten, all of it.
            assert line.split()[:1] == original.split()[:1]


def test_only_calls_of_the_rules_own_procedures_are_marked() -> None:
    rule = load(
        "/T/gateway/rule",
        "proc own {x} { return $x }\n"
        "when HTTP_REQUEST { set a [call own 1]; call {own} 2\n"
        " call lib::own 3; catch {call other 4}\n call \\\n own 5 }",
    )
    body = rule.handlers[0].body.split("\n")
    mark = PROCEDURE_MARK
    assert body[0] == f" set a [{mark}own 1]; {mark}own 2"
    assert body[1:] == [" call lib::own 3; catch {call other 4}", " call \\", " own 5 "]


def test_what_needs_no_rewriting_is_kept_byte_for_byte() -> None:
    body = """
    # if {$x contains "y"} {incr}
    set a [string range $b 0 end-1] ;# note
    if { $a eq "x"&&[string length $b]>3 } {\tset c "{$a}\\"" \\
        } else { unset -nocomplain -- c }
"""
    assert load("/T/a/r", "when HTTP_REQUEST {" + body + "}").handlers[0].body == body


def test_handlers_come_in_the_order_of_their_priorities() -> None:
    rule = load("/T/a/r", "when LB_FAILED {}\nwhen HTTP_REQUEST priority 0 {}\nwhen HTTP_RESPONSE priority 1000 {}\n")
    assert [handler.event for handler in rule.handlers] == ["HTTP_REQUEST", "LB_FAILED", "HTTP_RESPONSE"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "when HTTP_REQUEST {\n    foo bar\n}\n",
            "01070151:3: Rule [/T/gateway/rule] error: /T/gateway/rule:2: error: [undefined procedure: foo][foo bar]",
        ),
        (
            "when HTTP_REQUEST {\n  set a\n  set a b c\n  exec ls\n}\n",
            "01070151:3: Rule [/T/gateway/rule] error: /T/gateway/rule:3: error: [wrong # args][set a b c]\n"
            '/T/gateway/rule:4: error: [command is disabled: "exec"][exec ls]',
        ),
        (
            "when HTTP_RESPONSE {\n  if {[HTTP::uri] eq {}} {\n  }\n}\n",
            "01070151:3: Rule [/T/gateway/rule] error: /T/gateway/rule:2: error: "
            "[command is not valid in current event context (HTTP_RESPONSE)][HTTP::uri]",
        ),
        (
            "when NOT_AN_EVENT {\n}\n",
            "01070151:3: Rule [/T/gateway/rule] error: /T/gateway/rule:1: error: "
            "[unknown event (NOT_AN_EVENT)][when NOT_AN_EVENT {]",
        ),
    ],
)
def test_the_message_is_worded_as_tmos_words_it(text: str, expected: str) -> None:
    assert message(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("set x 1\n", '["set" unknown property][set x 1]'),
        ("log local0. x\n", '["log" unknown property]'),
        ("when\n", "[wrong # args][when]"),
        ("when HTTP_REQUEST\n", "[wrong # args]"),
        ('when HTTP_REQUEST "set x 1"\n', "[wrong # args]"),
        ("when HTTP_REQUEST {} junk\n", '[unexpected extra argument "junk"]'),
        ("when HTTP_REQUEST priority 1001 {}\n", '[unexpected extra argument "1001"]'),
        ("when HTTP_REQUEST priority -1 {}\n", '[unexpected extra argument "-1"]'),
        ("when HTTP_REQUEST priority x {}\n", '[unexpected extra argument "x"]'),
        ("when HTTP_REQUEST timing maybe {}\n", '[unexpected extra argument "maybe"]'),
        ("when HTTP_REQUEST {}\nwhen HTTP_REQUEST priority 3 {}\n", ":2: error: [Duplicate event (HTTP_REQUEST)]"),
        ("when HTTP_REQUEST {\nwhen HTTP_RESPONSE {}\n}\n", ":2: error: [command is not valid in the current scope]"),
        ("when HTTP_REQUEST {\nproc p {} {}\n}\n", ":2: error: [command is not valid in the current scope]"),
        ("when HTTP_CLASS_FAILED {}\n", "[unknown event (HTTP_CLASS_FAILED)]"),
        ("when XML_CONTENT_BASED_ROUTING {}\n", "[unknown event (XML_CONTENT_BASED_ROUTING)]"),
        ("when JSON_REQUEST {}\n", "[not emulated by the lab: event JSON_REQUEST (the lab does not fire it;"),
        ("priority 2000\n", '[bad priority "2000"]'),
        ("priority\n", "[wrong # args]"),
        ("timing maybe\n", '[bad timing "maybe"]'),
        ("proc p {} { after 10 {set x 1} }\n", "a script of after in a procedure"),
        (
            "proc p {} { call q }\nproc q {} { HTTP::close }\nwhen HTTP_REQUEST { after 9 { call p } }\n",
            ":3: error: [not ",
        ),
        (
            "when HTTP_REQUEST { after 9 { call lib::p } }\n",
            "lib::p, a procedure of another rule, in a script of after",
        ),
        ("when RULE_INIT { after 10 {set static::x 1} }\n", "not valid in current event context (RULE_INIT)"),
        ("when SERVERSSL_SERVERHELLO {}\n", "not emulated by the lab: event SERVERSSL_SERVERHELLO"),
        ("proc p {}\n", "[wrong # args][proc p {}]"),
        ("proc p {} {}\nproc p {x} {}\n", 'a second procedure "p"'),
        ("proc a::b {} {}\n", "letters, digits and _ only"),
        ("proc p {{a b c}} {}\n", "bad argument"),
        ("proc p {a(1)} {}\n", "bad argument"),
        ("proc p {} {foo}\n", ":1: error: [undefined procedure: foo][foo]"),
        ("when HTTP_REQUEST {\n", "incomplete command: missing close-brace"),
        ("when HTTP_REQUEST {}\n}\n", ":2: error: [unmatched closing character]"),
        ("# an open { brace\nwhen HTTP_REQUEST {}\n", "incomplete command"),
        ("# a close } brace\nwhen HTTP_REQUEST {}\n", ":1: error: [unmatched closing character]"),
        ("when HTTP_REQUEST {\n# { in a comment\n}\n", "incomplete command"),
        ('when HTTP_REQUEST {\nset x "\n}\n', ':2: error: [missing "]'),
        ("when HTTP_REQUEST {\nset x [a\n}\n", ":2: error: [missing close-bracket]"),
        ("when HTTP_REQUEST { set x \xe9 }\n", "[non-ASCII character in the rule's text]"),
        ("# \u20ac\nwhen HTTP_REQUEST {}\n", ":1: error: [non-ASCII character"),
        ("when HTTP_REQUEST { set x \0 }\n", "[NUL character in the rule's text]"),
        ("when RULE_INIT { pool a }\n", "command is not valid in current event context (RULE_INIT)"),
    ],
)
def test_rules_that_do_not_load(text: str, reason: str) -> None:
    assert reason in message(text)


@pytest.mark.parametrize("name", sorted(DISABLED))
def test_disabled_commands_are_refused_by_name(name: str) -> None:
    assert f':1: error: [command is disabled: "{name}"]' in message(f"when HTTP_REQUEST {{catch {{{name} x}}}}")


def test_there_are_31_disabled_commands() -> None:
    assert len(DISABLED) == 31


def test_a_procedure_must_be_legal_where_it_is_called_from() -> None:
    text = """
proc outer {} { call inner; call outer }
proc inner {} {
    HTTP::uri
}
proc unused {} { HTTP::status }
when HTTP_REQUEST { call inner }
when HTTP_RESPONSE { call outer; call elsewhere }
"""
    assert message(text).endswith(
        ":4: error: [command is not valid in current event context (HTTP_RESPONSE)][HTTP::uri]"
    )
    assert load("/T/a/r", text.replace("HTTP_RESPONSE {", "HTTP_REQUEST_DATA {")).handlers


def test_both_line_ends_load() -> None:
    text = 'when HTTP_REQUEST {\n    if {[HTTP::path] contains "x"} {\n        set a 1\n    }\n}\n'
    one, other = load("/T/a/r", text), load("/T/a/r", text.replace("\n", "\r\n"))
    assert other.handlers[0].body.replace("\r", "") == one.handlers[0].body


def test_all_reasons_are_reported_with_a_limit() -> None:
    assert message("when HTTP_REQUEST {\n" + "foo\n" * 100 + "}\n").count("undefined procedure") == 20


def test_names_without_a_folder_are_in_the_folder_of_the_rule() -> None:
    rule = load("/T/a/r", "when HTTP_REQUEST { class lookup x g; class size /Common/h; class exists i; pool $p }")
    assert rule.data_groups == {"/T/a/g", "/Common/h"}
    assert rule.pools == frozenset()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("set ::x 1", {"::x"}),
        ("set y $::x", {"::x"}),
        ("set y ${::errorInfo}", {"::errorInfo"}),
        ("global x y", {"::x", "::y"}),
        ("foreach ::x {1 2} {incr ::n}", {"::x", "::n"}),
        ("set static::x $static::y; set ::static::z 1", set()),
    ],
)
def test_global_variables_are_noted(body: str, found: set[str]) -> None:
    assert load("/T/a/r", f"when HTTP_REQUEST {{ {body} }}").global_variables == found


def test_a_plain_variable_of_rule_init_is_global() -> None:
    assert load("/T/a/r", "when RULE_INIT { set x 1; set static::y 2 }").global_variables == {"::x"}


def test_a_static_variable_is_the_same_wherever_it_is_written() -> None:
    text = """when HTTP_REQUEST {
        set static::a $static::b; incr static::c
        regexp {(.)} x static::d; foreach static::e {1 2} {}; catch {set static::f(x) 1} static::g; set x static::h
    }"""
    body = load("/T/a/r", text).handlers[0].body
    assert {name for name in "abcdefgh" if f"::static::{name}" in body} == set("acdefg")


def test_priority_and_timing_may_stand_before_the_handlers() -> None:
    text = """
        when CLIENT_ACCEPTED {}
        priority 900
        timing on
        when HTTP_REQUEST {}
        when HTTP_RESPONSE priority 100 timing off {}
    """
    handlers = {handler.event: (handler.priority, handler.timing) for handler in load("/T/a/r", text).handlers}
    assert handlers == {"CLIENT_ACCEPTED": (500, None), "HTTP_REQUEST": (900, True), "HTTP_RESPONSE": (100, False)}


def test_a_rule_knows_its_commands_and_where_its_procedures_may_be_called() -> None:
    text = """
        proc answer {} { call inner }
        proc inner {} { HTTP::respond 403 }
        proc log_it {text} { log local0. $text }
        when HTTP_REQUEST { call answer; after 10 { set x 1 } }
    """
    rule = load("/T/a/r", text)
    assert rule.commands == {"call", "HTTP::respond", "log", "after", "set"}
    legal = {procedure.name: procedure.events for procedure in rule.procedures}
    assert legal["log_it"] is None
    assert legal["answer"] == legal["inner"]
    assert legal["answer"] is not None
    assert "HTTP_REQUEST" in legal["answer"]
    assert "CLIENT_ACCEPTED" not in legal["answer"]


def test_an_empty_rule_loads() -> None:
    assert load("/T/a/r", "").handlers == load("/T/a/r", "# nothing\n").handlers == ()


def outcome(text: str) -> str:
    try:
        load("/T/a/r", text)
    except RuleError as error:
        return str(error)
    return "loaded"


_fragments = st.lists(
    st.sampled_from(
        [
            "when HTTP_REQUEST {",
            "}",
            "\n",
            " ",
            "proc p {x} {",
            "if {$x} {",
            "set x ",
            "[",
            "]",
            '"',
            "$",
            "\\",
            "expr {",
            "{",
            "switch -- $x {",
            "a - b {",
            "incr x",
            ";",
            "#",
            "contains",
            "(",
            ")",
            "1",
            "::",
            "call p",
            "priority 3",
            "else {",
            "HTTP::header insert a b",
            "foreach {a b} $l {",
            "format %c 1",
            "clock format 0 -gmt 1",
            "{*}",
            "-",
            "*",
            "not ",
        ]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=1000, deadline=None)
@given(text=_fragments | _fragments.map(lambda inner: f"when HTTP_REQUEST {{\n{inner}\n}}") | st.text(max_size=60))
def test_any_text_loads_or_is_refused_in_one_way(text: str) -> None:
    assert outcome(text).startswith(("loaded", "01070151:3: Rule [/T/a/r] error: /T/a/r:"))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(data: bytes) -> None:
    assert outcome(data.decode("latin-1")).startswith(("loaded", "01070151:3: Rule [/T/a/r] error: /T/a/r:"))


def test_loading_takes_time_in_proportion_to_the_text() -> None:
    """Hostile nesting is refused, and a long rule is not a slow one."""
    assert "nested deeper" in message("when HTTP_REQUEST {" + "if {1} {" * 5000 + "}" * 5000 + "}")
    assert "nested deeper" in message("when HTTP_REQUEST { set x " + "[a " * 5000 + "]" * 5000 + "}")
    assert "nested deeper" in message("when HTTP_REQUEST { expr {" + "-" * 5000 + "1} }")
    assert load(
        "/T/a/r", "when HTTP_REQUEST {\n" + 'if {$x contains "y"} { set z [expr {$a + 1}] }\n' * 5000 + "}"
    ).handlers


def test_the_loader_does_not_need_tkinter() -> None:
    code = "import sys; import bigip_sm.lab.tcl; sys.exit('tkinter' in sys.modules or '_tkinter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
