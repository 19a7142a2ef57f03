"""The closed world of commands: every entry can be called, nothing beyond it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bigip_sm.errors import RuleError
from bigip_sm.lab.tcl import CATALOGUE, EMULATED_EVENTS, EVENTS, load
from bigip_sm.lab.tcl.stock import STOCK

Refused = Callable[[str], str]

# A call of every command and subcommand that is not just its name with that many words.
SAMPLES = {
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
        ("HTTP::header sanitize a", "wrong # args"),
        ("HTTP::header", "wrong # args"),
        ("HTTP::header insert a", "wrong # args"),
        ("HTTP::header insert a b c", "wrong # args"),
        ("HTTP::header value", "wrong # args"),
        ("HTTP::payload rechunk", "not emulated by the lab: HTTP::payload rechunk"),
        ("HTTP::payload replace 0 1", "wrong # args"),
        ("HTTP::uri -normalized", "not emulated by the lab: option -normalized of HTTP::uri"),
        ("HTTP::path a b", "wrong # args"),
        ("HTTP::method GET", "wrong # args"),
        ("HTTP::respond", "wrong # args"),
        ("HTTP::respond 999x", 'invalid status "999x"'),
        ("HTTP::respond 200 content", "wrong # args"),
        ("HTTP::respond 200 content a b", "wrong # args"),
        ("HTTP::respond 200 -version 2 content x", "a version of HTTP::respond"),
        ("HTTP::respond 200 -reset", "-reset of HTTP::respond"),
        ("HTTP::collect", "wrong # args"),
        ("HTTP::redirect /x", "undefined procedure: HTTP::redirect"),
        ("class match -index -- a equals g", "option -index of class match"),
        ("class match -- a matches g", "operator matches (the lab has"),
        ("class match -- a equals", "wrong # args"),
        ("class search g equals a", "not emulated by the lab: class search"),
        ("class", "wrong # args"),
        ("CRYPTO::hash $x", "CRYPTO::hash without -alg"),
        ("CRYPTO::hash -alg sha999 $x", 'invalid algorithm "sha999"'),
        ("CRYPTO::hash -alg hmac-sha256 $x", 'invalid algorithm "hmac-sha256"'),
        ("CRYPTO::sign -alg hmac-sha256 $x", "one of -key and -keyhex"),
        ("CRYPTO::sign -alg hmac-sha256 -key a -keyhex b $x", "one of -key and -keyhex"),
        ("CRYPTO::sign -alg rsa-sha256 -key a $x", 'invalid algorithm "rsa-sha256"'),
        ("CRYPTO::sign -alg hmac-sha256 -ctx c -key a $x", "option -ctx of CRYPTO::sign"),
        ("CRYPTO::sign -alg hmac-sha256 -alg hmac-sha1 -key a $x", "an option given twice"),
        ("CRYPTO::verify -alg hmac-sha256 -key a $x", "undefined procedure: CRYPTO::verify"),
        ("X509::subject $c emailAddress", "a field of X509::subject"),
        ("SSL::cert", "wrong # args"),
        ("log nowhere.info x", "invalid 'nowhere.info'; expected:-noname"),
        ("log local0.info x # note", "wrong # args"),
        ("pool a member b 80", "wrong # args"),
        ("LB::server priority", "not emulated by the lab: LB::server priority"),
        ("table set a b", "undefined procedure: table"),
        ("call", "wrong # args"),
        ("call /Common/lib::p", "of another rule"),
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
        RuleError, match=r"not emulated by the lab: HTTP::collect in HTTP_RESPONSE \(the lab has it in HTTP_REQ"
    ):
        load("/T/a/r", "when HTTP_RESPONSE { HTTP::collect 1 }")


def test_events_know_their_side() -> None:
    assert EVENTS["HTTP_REQUEST"].side == "client"
    assert EVENTS["HTTP_RESPONSE"].side == "server"
    assert all(EVENTS[name].summary for name in EMULATED_EVENTS)
