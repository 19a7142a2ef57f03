"""AS3's own string formats, as AS3's parser checks them (adcParserFormats.js in F5Networks/f5-appsvcs-extension)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonschema import FormatChecker

_NAME = "[A-Za-z][0-9A-Za-z_]{0,63}"
_POINTER = re.compile(rf"(@|[0-9]+|([0-9]*/)?((@|[0-9]+|{_NAME})/)*([0-9]+|{_NAME}))?#?")
_BIGIP = re.compile(r"""/[^\x00-\x19"#'*<>?\[-\]{-}\x7f]+""")
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_IP = re.compile(r"(?P<address>[^%/]+)(%(?P<domain>[0-9]{1,5}))?(/(?P<mask>[0-9.]+))?")


def is_pointer(value: str) -> bool:
    """An AS3 pointer within a declaration."""
    return _POINTER.fullmatch(value) is not None


def is_bigip(value: str) -> bool:
    """A full path on the device."""
    return _BIGIP.fullmatch(value) is not None


def is_hostname(value: str) -> bool:
    """Letters, digits and hyphens in labels of at most 63 characters, 253 in all (RFC 1123, section 2.1)."""
    return len(value) <= 253 and _HOSTNAME.fullmatch(value) is not None


def is_ip(value: str) -> bool:
    """Empty, ``any``, ``any6``, or an address with an optional route domain (``%1``) and mask (``/24``)."""
    if value in ("", "any", "any6"):
        return True
    match = _IP.fullmatch(value)
    if match is None or int(match["domain"] or 0) > 65_535:
        return False
    try:
        ipaddress.ip_interface(match["address"] + (f"/{match['mask']}" if match["mask"] else ""))
    except ValueError:
        return False
    return True


def format_checker() -> FormatChecker:
    """A checker of these formats only: the schema's ``uri``, ``email`` and ``date-time`` are not of our making."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    checks = {"f5pointer": is_pointer, "f5bigip": is_bigip, "hostname": is_hostname, "f5ip": is_ip}
    for name, check in checks.items():
        checker.checks(name)(_strings_only(check))
    return checker


def _strings_only(check: Callable[[str], bool]) -> Callable[[object], bool]:
    """A format says nothing about a value that is not a string."""
    return lambda value: not isinstance(value, str) or check(value)
