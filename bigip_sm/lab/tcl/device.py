"""iRule commands whose arguments say more than their number: literal names of objects, fixed words, algorithms.

Importing the module registers the handlers with ``check``.
"""

from __future__ import annotations

import re

from bigip_sm.lab.tcl.algorithms import AES_CIPHERS, ASYMMETRIC, CLASS_OPERATORS, DIGESTS
from bigip_sm.lab.tcl.check import Call, Checker, handles
from bigip_sm.lab.tcl.events import EVENTS
from bigip_sm.lab.tcl.faults import not_emulated
from bigip_sm.tcl.faults import Fault
from bigip_sm.tcl.parser import Word

_FACILITY = re.compile(r"local[0-7]\.(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)?")


def _only(word: Word, known: tuple[str, ...], what: str) -> None:
    """Refuse a literal that the lab does not have."""
    literal = word.literal()
    if literal is not None and literal not in known:
        raise not_emulated(word.start, f"{what} {literal} (the lab has {', '.join(known)})")


@handles("class match", "class search")
def _class_match(checker: Checker, call: Call) -> None:
    _only(call.arguments[1], tuple(sorted(CLASS_OPERATORS)), "operator")
    checker.reference("data group", call.arguments[2 if call.subcommand == "match" else 0])


@handles("class lookup", "class element", "matchclass", "findclass")
def _class_second(checker: Checker, call: Call) -> None:
    if call.name == "matchclass":
        _only(call.arguments[1], tuple(sorted(CLASS_OPERATORS)), "operator")
    checker.reference("data group", call.arguments[2 if call.name == "matchclass" else 1])


@handles("class size", "class type", "class names", "class get")
def _class_first(checker: Checker, call: Call) -> None:
    checker.reference("data group", call.arguments[0])


@handles("pool")
def _pool(checker: Checker, call: Call) -> None:
    checker.reference("pool", call.arguments[0])
    if len(call.arguments) > 1:
        _member(call, call.arguments[1:])


def _member(call: Call, words: tuple[Word, ...]) -> None:
    """``member address ?port?``."""
    if words[0].literal() != "member" or len(words) not in (2, 3):
        raise Fault(call.start, "wrong # args")


@handles("active_members", "members", "active_nodes", "nodes")
def _members(checker: Checker, call: Call) -> None:
    checker.reference("pool", call.arguments[0])


@handles("LB::status")
def _status(checker: Checker, call: Call) -> None:
    _only(call.arguments[0], ("pool",), "LB::status of")
    _only(call.arguments[2], ("member",), "LB::status of a pool's")
    checker.reference("pool", call.arguments[1])


@handles("LB::reselect")
def _reselect(checker: Checker, call: Call) -> None:
    if not call.arguments:
        return
    target, *rest = call.arguments
    if target.literal() is None:
        raise not_emulated(target.start, "LB::reselect with a target that is not literal")
    _only(target, ("node", "pool"), "LB::reselect to")
    if not rest or (target.literal() == "node" and len(rest) > 2):
        raise Fault(call.start, "wrong # args")
    if target.literal() == "pool":
        checker.reference("pool", rest[0])
        if len(rest) > 1:
            _member(call, tuple(rest[1:]))


@handles("snat")
def _snat(checker: Checker, call: Call) -> None:
    literal = call.arguments[0].literal()
    if literal is not None and not re.fullmatch(r"none|automap|[0-9a-fA-F:.%]+", literal):
        raise Fault(call.arguments[0].start, f'bad address "{literal}": must be none, automap or an address')


@handles("virtual")
def _virtual(checker: Checker, call: Call) -> None:
    if call.arguments and call.arguments[0].literal() != "name":
        raise not_emulated(call.start, "virtual with a destination (the lab has virtual and virtual name)")


@handles("event")
def _event(checker: Checker, call: Call) -> None:
    """``event enable|disable ?all?`` or ``event name enable|disable``; the other order does not load (measured)."""
    words = [word.literal() for word in call.arguments]
    if None in words:
        raise not_emulated(call.start, "event with words that are not literal")
    if words[0] in ("enable", "disable"):
        if words[1:] not in ([], ["all"]):
            raise Fault(call.arguments[1].start, f'unexpected extra argument "{words[1]}"')
    elif words[0] not in EVENTS:
        raise Fault(call.arguments[0].start, f"unknown event ({words[0]})")
    elif words[1:] not in (["enable"], ["disable"]):
        raise Fault(call.start, "wrong # args")


@handles("SSL::profile")
def _ssl_profile(checker: Checker, call: Call) -> None:
    checker.reference("profile", call.arguments[0])


@handles("SSL::disable", "SSL::enable")
def _ssl_switch(checker: Checker, call: Call) -> None:
    side = call.arguments[0].literal() if call.arguments else None
    if side != "serverside" and not (not call.arguments and checker.unit.event == "SERVER_CONNECTED"):
        raise not_emulated(call.start, f"{call.name} for the client's side (the lab has {call.name} serverside)")


@handles("SSL::cert")
def _ssl_cert(checker: Checker, call: Call) -> None:
    literal = call.arguments[0].literal() if call.arguments else "0"
    if literal is not None and not literal.isdecimal():
        raise not_emulated(call.start, f"SSL::cert {literal} (the lab has count, issuer and numbers)")


@handles("HSL::open")
def _hsl_open(checker: Checker, call: Call) -> None:
    options = dict(call.options)
    if "-proto" not in options or "-pool" not in options:
        raise Fault(call.start, "wrong # args")
    if options["-proto"][0].literal() not in (None, "TCP", "UDP"):
        raise Fault(options["-proto"][0].start, f'bad protocol "{options["-proto"][0].literal()}": must be TCP or UDP')
    checker.reference("pool", options["-pool"][0])


@handles("CRYPTO::hash", "CRYPTO::sign", "CRYPTO::verify", "CRYPTO::encrypt", "CRYPTO::decrypt", "CRYPTO::keygen")
def _crypto(checker: Checker, call: Call) -> None:
    options = dict(call.options)
    if len(options) < len(call.options):
        raise not_emulated(call.start, "an option given twice")
    if "-alg" not in options:
        raise not_emulated(call.start, f"{call.name} without -alg")
    word = options["-alg"][0]
    algorithm = word.literal()
    command = call.name.removeprefix("CRYPTO::")
    if algorithm is not None and algorithm not in _ALGORITHMS[command]:
        if command in ("hash", "sign", "verify"):
            raise Fault(word.start, f'invalid algorithm "{algorithm}"')
        raise not_emulated(word.start, f"{call.name} -alg {algorithm} (the lab has {', '.join(_ALGORITHMS[command])})")
    if command == "keygen":
        if "-len" not in options:
            raise Fault(call.start, "wrong # args")
    elif command != "hash" and ("-key" in options) == ("-keyhex" in options):
        raise Fault(call.start, "one of -key and -keyhex is needed")
    if command == "verify" and "-signature" not in options:
        raise Fault(call.start, "wrong # args")


_HMACS = tuple(sorted(f"hmac-{digest}" for digest in DIGESTS))
_ALGORITHMS = {
    "hash": tuple(sorted(DIGESTS)),
    "sign": _HMACS,
    "verify": _HMACS,
    "encrypt": tuple(sorted(AES_CIPHERS | {"rsa-pub"})),
    "decrypt": tuple(sorted(AES_CIPHERS | ASYMMETRIC)),
    "keygen": ("random",),
}


@handles("X509::subject")
def _subject(checker: Checker, call: Call) -> None:
    if len(call.arguments) == 2 and call.arguments[1].literal() != "commonName":
        raise not_emulated(call.arguments[1].start, "a field of X509::subject other than commonName")


@handles("IP::addr")
def _addr(checker: Checker, call: Call) -> None:
    words = [word.literal() for word in call.arguments]
    keywords = [word for word in words[1::2] if word is not None]
    if words[1] not in ("equals", "mask") or set(keywords) - {"equals", "mask"} or len(words) == 4:
        raise not_emulated(call.start, "IP::addr in this form (the lab has equals and mask)")


@handles("URI::path")
def _uri_path(checker: Checker, call: Call) -> None:
    level = call.arguments[1].literal() if len(call.arguments) > 1 else "1"
    if level is not None and level != "depth" and not level.isdecimal():
        raise not_emulated(call.start, f"URI::path {level} (the lab has depth and numbers)")


@handles("log")
def _log(checker: Checker, call: Call) -> None:
    if len(call.arguments) == 2:
        facility = call.arguments[0].literal()
        if facility is not None and not _FACILITY.fullmatch(facility):
            raise Fault(call.arguments[0].start, f"invalid '{facility}'; expected:-noname")


@handles("HTTP::respond")
def _respond(checker: Checker, call: Call) -> None:
    """HTTP::respond status ?-version V? ?content text? ?noserver? ?name value ...?, the fixed words in any order."""
    status, *rest = call.arguments
    literal = status.literal()
    if literal is not None and not re.fullmatch(r"[2-5]\d\d", literal):
        raise Fault(status.start, f'invalid status "{literal}"')
    while rest:
        word = rest[0].literal() or ""
        if word in ("ifile", "-ifile", "-file", "-reset", "reset"):
            raise not_emulated(rest[0].start, f"{word} of HTTP::respond")
        if word not in ("-version", "content", "noserver"):
            break
        if word == "-version" and len(rest) > 1 and rest[1].literal() not in ("1.0", "1.1", "auto"):
            raise not_emulated(rest[1].start, "a version of HTTP::respond other than 1.0, 1.1 and auto")
        taken = 1 if word == "noserver" else 2
        if len(rest) < taken:
            raise Fault(call.start, "wrong # args")
        rest = rest[taken:]
    if len(rest) % 2:
        raise Fault(call.start, "wrong # args")


@handles("HTTP::collect")
def _collect(checker: Checker, call: Call) -> None:
    if not call.arguments:
        raise not_emulated(call.start, "HTTP::collect without a length")


@handles("HTTP::payload")
def _payload(checker: Checker, call: Call) -> None:
    literal = call.arguments[0].literal() if call.arguments and not call.subcommand else "0"
    if literal is not None and not literal.isdecimal() and not call.subcommand:
        raise not_emulated(call.start, f"HTTP::payload {literal} (the lab has length, replace and numbers)")


@handles("HTTP::header insert")
def _header_insert(checker: Checker, call: Call) -> None:
    """Pairs of words, or one word that is a list of them; a single plain word can be none."""
    count = len(call.arguments)
    if (count % 2 and count > 1) or (count == 1 and re.fullmatch(r"\S*", call.arguments[0].literal() or " ")):
        raise Fault(call.start, "wrong # args")


@handles("HTTP::cookie insert")
def _cookie_insert(checker: Checker, call: Call) -> None:
    if len(call.arguments) % 2:
        raise Fault(call.start, "wrong # args")
    for word in call.arguments[::2]:
        _only(word, ("name", "value", "path", "domain", "version"), "HTTP::cookie insert with")
