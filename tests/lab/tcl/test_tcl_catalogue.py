"""The closed world of commands: every entry can be called, nothing beyond it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bigip_sm.errors import RuleError
from bigip_sm.lab.tcl import CATALOGUE, EMULATED_EVENTS, EVENTS, load
from bigip_sm.tcl.stock import STOCK

Refused = Callable[[str], str]

# A call of every command and subcommand that is not just its name with that many words.
SAMPLES = {
    "CRYPTO::decrypt": "CRYPTO::decrypt -alg rsa-pub -key $key $data",
    "CRYPTO::encrypt": "CRYPTO::encrypt -alg aes-128-cbc -keyhex $key -iv $iv $data",
    "CRYPTO::keygen": "CRYPTO::keygen -alg random -len 128",
    "CRYPTO::verify": "CRYPTO::verify -alg hmac-sha256 -key $key -signature $signature $data",
    "HSL::open": "HSL::open -proto UDP -pool logs",
    "HTTP::collect": "HTTP::collect 1",
    "HTTP::cookie insert": "HTTP::cookie insert name $a value $b",
    "IP::addr": "IP::addr $a equals $b",
    "SSL::disable": "SSL::disable serverside",
    "SSL::enable": "SSL::enable serverside",
    "clientside": "clientside {IP::remote_addr}",
    "event": "event disable all",
    "serverside": "serverside {IP::remote_addr}",
    "CRYPTO::hash": "CRYPTO::hash -alg sha256 $data",
    "CRYPTO::sign": "CRYPTO::sign -alg hmac-sha256 -keyhex $key $data",
    "HTTP::respond": "HTTP::respond 403 content {} noserver A b",
    "class match": "class match -- $x starts_with $group",
}


def accepted(event: str, body: str) -> bool:
    try:
        return bool(load("/T/a/r", f"when {event} {{\n{body}\n}}\n").handlers)
    except RuleError:
        return False


def calls() -> list[tuple[str, str, frozenset[str]]]:
    """(name and subcommand, a call, events in which it is legal)."""
    found = []
    for command in CATALOGUE.values():
        forms = {
            command.name: command.form,
            **{f"{command.name} {sub}": form for sub, form in command.subcommands.items()},
        }
        for name, form in forms.items():
            if form is not None:
                sample = SAMPLES.get(name, " ".join([name, *[f"$a{n}" for n in range(form.minimum)]]))
                sample = "call p" if name == "call" else sample
                legal = form.events or command.events or frozenset(EVENTS)
                found.append((name, sample, legal & (command.lab_events or frozenset(EVENTS))))
    return found


@pytest.mark.parametrize(
    ("name", "sample", "events"), calls(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_is_legal_in_its_events_and_in_no_other(name: str, sample: str, events: frozenset[str]) -> None:
    for event in sorted(EMULATED_EVENTS):
        assert accepted(event, sample) == (event in events), event


@pytest.mark.parametrize("name", sorted({*CATALOGUE, *STOCK}))
def test_every_command_says_what_it_is(name: str) -> None:
    command = {**STOCK, **CATALOGUE}[name]
    assert command.name == name
    assert command.summary
    if name in CATALOGUE:
        assert command.form or all(form.summary for form in command.subcommands.values())


# Measured on TMOS 21.1.0.1 (tcl-lsp, "BIG-IP iRule parser measurements", section 8), as far as the lab has it.
# RULE_INIT is left out: TMM takes HTTP commands there, where they mean nothing, and the lab does not.
MEASURED = """
command           CLIENT_ACCEPTED HTTP_REQUEST LB_SELECTED SERVER_CONNECTED HTTP_RESPONSE
HTTP::uri         -               yes          yes         yes              -
HTTP::respond     -               yes          -           -                yes
HTTP::collect     -               yes          yes         -                yes
IP::client_addr   yes             yes          yes         yes              yes
TCP::client_port  yes             yes          yes         yes              yes
LB::server        yes             yes          yes         yes              yes
pool              yes             yes          yes         yes              yes
"""


def test_what_tmm_refuses_in_an_event_is_refused() -> None:
    head, *rows = [line.split() for line in MEASURED.strip().splitlines()]
    for name, *cells in rows:
        sample = {"HTTP::respond": "HTTP::respond 200", "HTTP::collect": "HTTP::collect 1", "pool": "pool a"}.get(
            name, name
        )
        for event, cell in zip(head[1:], cells, strict=True):
            emulated = CATALOGUE[name].lab_events
            expected = cell == "yes" and (emulated is None or event in emulated)
            assert accepted(event, sample) == expected, (name, event)
    assert not accepted("HTTP_REQUEST", "HTTP::status")
    assert accepted("HTTP_RESPONSE", "HTTP::status")
    for sample in ("IP::client_addr", "pool a", "LB::server", "TCP::client_port"):
        assert not accepted("RULE_INIT", sample)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("HTTP::header sanitize a", "not emulated by the lab: HTTP::header sanitize"),
        ("HTTP::header", "wrong # args"),
        ("HTTP::header insert a", "wrong # args"),
        ("HTTP::header insert a b c", "wrong # args"),
        ("HTTP::header value", "wrong # args"),
        ("HTTP::payload rechunk", "not emulated by the lab: HTTP::payload rechunk"),
        ("HTTP::payload replace 0 1", "wrong # args"),
        ("HTTP::uri -raw", "not emulated by the lab: option -raw of HTTP::uri"),
        ("HTTP::path a b", "wrong # args"),
        ("HTTP::method GET", "wrong # args"),
        ("HTTP::respond", "wrong # args"),
        ("HTTP::respond 999x", 'invalid status "999x"'),
        ("HTTP::respond 200 content", "wrong # args"),
        ("HTTP::respond 200 content a b", "wrong # args"),
        ("HTTP::respond 200 -version 2 content x", "a version of HTTP::respond"),
        ("HTTP::respond 200 -reset", "-reset of HTTP::respond"),
        ("HTTP::collect", "not emulated by the lab: HTTP::collect without a length"),
        ("HTTP::payload $x y z", "not emulated by the lab: HTTP::payload"),
        ("HTTP::retry -later $x", "option -later of HTTP::retry"),
        ("HTTP::cookie insert a b c d", "HTTP::cookie insert with a (the lab has name, value, path, domain, version)"),
        ("HTTP::cookie insert name b value", "wrong # args"),
        ("HTTP::cookie expires a 10", "not emulated by the lab: HTTP::cookie expires"),
        ("HTTP::redirect", "wrong # args"),
        ("class match -list -- a equals g", "option -list of class match"),
        ("class match -- a matches g", "operator matches (the lab has"),
        ("class match -- a equals", "wrong # args"),
        ("class search g matches a", "operator matches (the lab has"),
        ("class startsearch g", "not emulated by the lab: class startsearch"),
        ("matchclass a matches g", "operator matches (the lab has"),
        ("class", "wrong # args"),
        ("CRYPTO::hash $x", "CRYPTO::hash without -alg"),
        ("CRYPTO::hash -alg sha999 $x", 'invalid algorithm "sha999"'),
        ("CRYPTO::hash -alg hmac-sha256 $x", 'invalid algorithm "hmac-sha256"'),
        ("CRYPTO::sign -alg hmac-sha256 $x", "one of -key and -keyhex"),
        ("CRYPTO::sign -alg hmac-sha256 -key a -keyhex b $x", "one of -key and -keyhex"),
        ("CRYPTO::sign -alg rsa-sha256 -key a $x", 'invalid algorithm "rsa-sha256"'),
        ("CRYPTO::sign -alg hmac-sha256 -ctx c -key a $x", "option -ctx of CRYPTO::sign"),
        ("CRYPTO::sign -alg hmac-sha256 -alg hmac-sha1 -key a $x", "an option given twice"),
        ("CRYPTO::verify -alg hmac-sha256 -key a $x", "wrong # args"),
        ("CRYPTO::verify -alg rsa-sha256 -key a -signature b $x", 'invalid algorithm "rsa-sha256"'),
        ("CRYPTO::decrypt -alg des-cbc -key a $x", "CRYPTO::decrypt -alg des-cbc (the lab has aes-128-cbc"),
        ("CRYPTO::encrypt -alg rsa-priv -key a $x", "CRYPTO::encrypt -alg rsa-priv (the lab has"),
        ("CRYPTO::decrypt -alg rsa-pub $x", "one of -key and -keyhex"),
        ("CRYPTO::keygen -alg rsa -len 1024", "CRYPTO::keygen -alg rsa (the lab has random)"),
        ("CRYPTO::keygen -alg random", "wrong # args"),
        ("X509::subject $c emailAddress", "a field of X509::subject"),
        ("SSL::cert", "wrong # args"),
        ("SSL::cert mode", "not emulated by the lab: SSL::cert mode"),
        ("SSL::sessionid", "not emulated by the lab: SSL::sessionid; `bigip-sm lab commands` lists what is"),
        ("SSL::disable", "SSL::disable for the client's side"),
        ("SSL::disable clientside", "SSL::disable for the client's side"),
        ("SSL::cipher clientlist", "not emulated by the lab: SSL::cipher clientlist"),
        ("log nowhere.info x", "invalid 'nowhere.info'; expected:-noname"),
        ("log local0.info x # note", "wrong # args"),
        ("pool a b 80", "wrong # args"),
        ("pool a member", "wrong # args"),
        ("pool a member b 80 x", "wrong # args"),
        ("snat pool_a", 'bad address "pool_a": must be none, automap or an address'),
        ("virtual /Common/other", "virtual with a destination"),
        ("node", "wrong # args"),
        ("LB::status node a", "wrong # args"),
        ("LB::status node a b c d", "LB::status of node (the lab has pool)"),
        ("event HTTP_REQUEST", "wrong # args"),
        ("event disable HTTP_REQUEST", 'unexpected extra argument "HTTP_REQUEST"'),
        ("event NOWHERE disable", "unknown event (NOWHERE)"),
        ("event $x", "event with words that are not literal"),
        ("HSL::open -publisher /Common/p", "option -publisher of HSL::open"),
        ("HSL::open -proto UDP", "wrong # args"),
        ("HSL::open -proto SCTP -pool p", 'bad protocol "SCTP"'),
        ("HSL::send $x", "wrong # args"),
        ("IP::addr parse -ipv4 $x", "IP::addr in this form"),
        ("IP::addr $x $y $z", "IP::addr in this form"),
        ("URI::path $x end", "URI::path end (the lab has depth and numbers)"),
        ("STATS::incr p", "wrong # args"),
        ("TCP::collect", "not emulated by the lab: TCP::collect; `bigip-sm lab commands` lists what is"),
        ("ACCESS::session data get x", "not emulated by the lab: ACCESS::session;"),
        ("ISTATS::incr a b", "not emulated by the lab: ISTATS::incr;"),
        ("whereis 10.0.0.1", "not emulated by the lab: whereis;"),
        ("NOWHERE::x", "undefined procedure: NOWHERE::x"),
        ("LB::server priority", "not emulated by the lab: LB::server priority"),
        ("table set a", "wrong # args"),
        ("table set -georedundancy a b", "option -georedundancy of table set"),
        ("table lookup -excl a", "option -excl of table lookup"),
        ("table", "wrong # args"),
        ("persist uie $x 3600", "not emulated by the lab: persist uie"),
        ("persist $x", "persist"),
        ("table purge a", "not emulated by the lab: table purge"),
        ("after", "wrong # args"),
        ("after soon", 'bad argument "soon"'),
        ("after cancel", "wrong # args"),
        ("after 10 {foo}", "undefined procedure: foo"),
        ("after 10 -periodic", "wrong # args"),
        ("after 10 $script", "a script of after without braces"),
        ("after 10 {HTTP::respond 200}", "HTTP::respond in a script of after"),
        ("call", "wrong # args"),
        ("call lib::", 'bad name of a procedure "lib::"'),
        ("call /Common/a/lib::p::q", "bad name of a procedure"),
        ("info vars", "not emulated by the lab: info vars"),
        ("string len abc", 'bad option "len"'),
        ("array names", "wrong # args"),
        ("foreach x {a}", "wrong # args"),
        ("lsort -index a $l", 'bad index "a"'),
    ],
)
def test_calls_outside_the_catalogue_are_refused(refused: Refused, body: str, reason: str) -> None:
    assert reason in refused(body)


def test_what_only_the_lab_lacks_in_an_event_says_so() -> None:
    with pytest.raises(
        RuleError, match=r"not emulated by the lab: HTTP::collect in LB_SELECTED \(the lab has it in HTTP_REQUEST, "
    ):
        load("/T/a/r", "when LB_SELECTED { HTTP::collect 1 }")


def test_events_know_their_side() -> None:
    assert EVENTS["HTTP_REQUEST"].side == "client"
    assert EVENTS["HTTP_RESPONSE"].side == "server"
    assert all(EVENTS[name].summary for name in EMULATED_EVENTS)
