"""Data groups, hashes and signatures: ``class``, ``CRYPTO::`` and the digest commands."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from bigip_sm.lab.tcl.catalogue import DIGESTS
from bigip_sm.lab.tmm.groups import Group
from bigip_sm.lab.tmm.session import Command, CommandError, Result, wire

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm


def commands(tmm: Tmm) -> dict[str, Command]:
    """``class``, ``CRYPTO::hash``, ``CRYPTO::sign`` and the digests for one TMM."""
    return {
        "class": lambda subcommand, *words: _class(tmm, subcommand, words),
        "CRYPTO::hash": _hash,
        "CRYPTO::sign": _sign,
        "sha256": lambda text: hashlib.sha256(wire(text)).digest(),
    }


def _class(tmm: Tmm, subcommand: str, words: tuple[str, ...]) -> Result:
    match subcommand, words:
        case "match", (*options, item, operator, name):
            return _match(tmm.group(name), item, operator, options)
        case "lookup", (item, name) | ("--", item, name):
            group = tmm.group(name)
            return wire(next((group.records[key] for key in group.matches(item, "equals")), ""))
        case "exists", (name,):
            groups = tmm.groups.by_path
            return int(name in groups or tmm.resolve(name, groups) in groups)
        case "size", (name,):
            return len(tmm.group(name).records)
        case _:
            raise CommandError(f'wrong # args: in "class {subcommand}"')


def _match(group: Group, item: str, operator: str, options: list[str]) -> Result:
    """``class match ?options? -- item operator class``: 1 or 0, or with an option what matched."""
    form, every, ended = "", False, False
    for option in options:
        if ended:
            raise CommandError("wrong # args: in class match")
        if option == "--":
            ended = True
        elif option == "-all":
            every = True
        elif option in ("-name", "-value", "-element"):
            form = option
        else:
            raise CommandError(f'bad option "{option}" in class match')
    if not ended and item.startswith("-"):
        raise CommandError(f'bad option "{item}" in class match')
    found = group.matches(item, operator)
    if not form:
        return int(next(found, None) is not None)
    records = group.records
    if every:
        return tuple(part for name in found for part in _parts(name, records[name], form))
    first = next(found, None)
    if first is None:
        return b""
    parts = _parts(first, records[first], form)
    return parts[0] if len(parts) == 1 else parts


def _parts(name: str, value: str, form: str) -> tuple[bytes, ...]:
    match form:
        case "-name":
            return (wire(name),)
        case "-value":
            return (wire(value),)
        case _:
            return wire(name), wire(value)


def _hash(*words: str) -> Result:
    match words:
        case ("-alg", algorithm, *end, data) if algorithm in DIGESTS and end in ([], ["--"]):
            return hashlib.new(algorithm, wire(data)).digest()
        case _:
            raise CommandError("CRYPTO::hash -alg name data")


def _sign(*words: str) -> Result:
    match words:
        case ("-alg", algorithm, ("-key" | "-keyhex") as form, key, *end, data) if end in ([], ["--"]):
            digest = algorithm.removeprefix("hmac-")
            if digest == algorithm or digest not in DIGESTS:
                raise CommandError(f'bad algorithm "{algorithm}" in CRYPTO::sign')
            try:
                secret = bytes.fromhex(key) if form == "-keyhex" else wire(key)
            except ValueError:
                raise CommandError("the key of CRYPTO::sign is not hex") from None
            return hmac.digest(secret, wire(data), digest)
        case _:
            raise CommandError("CRYPTO::sign -alg hmac-sha256 -key key|-keyhex hex data")
