"""iRule commands whose arguments say more than their number: literal names of objects, fixed words, algorithms.

Importing the module registers the handlers with ``check``.
"""

from __future__ import annotations

import re

from bigip_sm.lab.tcl.catalogue import CLASS_OPERATORS, DIGESTS
from bigip_sm.lab.tcl.check import Call, Checker, handles
from bigip_sm.lab.tcl.faults import Fault, not_emulated

_FACILITY = re.compile(r"local[0-7]\.(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)?")


@handles("class match")
def _class_match(checker: Checker, call: Call) -> None:
    operator = call.arguments[1].literal()
    if operator is not None and operator not in CLASS_OPERATORS:
        raise not_emulated(
            call.arguments[1].start, f"operator {operator} (the lab has {', '.join(sorted(CLASS_OPERATORS))})"
        )
    checker.reference("data group", call.arguments[2])


@handles("class lookup")
def _class_lookup(checker: Checker, call: Call) -> None:
    checker.reference("data group", call.arguments[1])


@handles("class size")
def _class_size(checker: Checker, call: Call) -> None:
    checker.reference("data group", call.arguments[0])


@handles("pool", "active_members")
def _pool(checker: Checker, call: Call) -> None:
    checker.reference("pool", call.arguments[0])


@handles("SSL::profile")
def _ssl_profile(checker: Checker, call: Call) -> None:
    checker.reference("profile", call.arguments[0])


@handles("CRYPTO::hash", "CRYPTO::sign")
def _crypto(checker: Checker, call: Call) -> None:
    options = dict(call.options)
    if len(options) < len(call.options):
        raise not_emulated(call.start, "an option given twice")
    if "-alg" not in options:
        raise not_emulated(call.start, f"{call.name} without -alg")
    prefix = "hmac-" if call.name == "CRYPTO::sign" else ""
    algorithm = options["-alg"][0].literal()
    if algorithm is not None and algorithm not in {prefix + digest for digest in DIGESTS}:
        raise Fault(options["-alg"][0].start, f'invalid algorithm "{algorithm}"')
    if prefix and ("-key" in options) == ("-keyhex" in options):
        raise Fault(call.start, "one of -key and -keyhex is needed")


@handles("X509::subject")
def _subject(checker: Checker, call: Call) -> None:
    if len(call.arguments) == 2 and call.arguments[1].literal() != "commonName":
        raise not_emulated(call.arguments[1].start, "a field of X509::subject other than commonName")


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


@handles("HTTP::header insert")
def _header_insert(checker: Checker, call: Call) -> None:
    if len(call.arguments) % 2:
        raise Fault(call.start, "wrong # args")
