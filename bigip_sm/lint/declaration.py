"""Rules over AS3 declarations: what AS3 accepts and then ignores, rewrites or defaults badly.

AS3's own refusals are the schema's matter (``schema``). Every check takes an ``Item`` and yields findings; a value of
the wrong type is left to the schema and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bigip_sm.lint import pem
from bigip_sm.lint.findings import Finding, register
from bigip_sm.lint.text import brace_error, expansion_error, glued_line

LONGEST_PATH = 195
"""Characters of ``/tenant/application/item`` that AS3 takes."""

LARGEST_VALUE = 65_520
"""Bytes that the value of a data-group record holds (TMOS error 01070712)."""

SYNTHETIC = frozenset({"class", "label", "remark", "constants", "controls", "enable", "template", "schemaOverlay"})

COMMON = register(
    "BSM-D001",
    "warning",
    "Do not declare tenant Common",
    "It is one shared list for the whole device: posting it without another team's objects deletes theirs.",
)
REDIRECT = register(
    "BSM-D002",
    "warning",
    "Service_HTTPS sets redirect80",
    "The default is true and makes a second virtual server on port 80.",
)
PERSISTENCE = register(
    "BSM-D003",
    "warning",
    "HTTP services set persistenceMethods",
    "The default is cookie persistence, which sets a cookie in every response.",
)
VERSIONS = register(
    "BSM-D004",
    "warning",
    "TLS profiles switch SSL, TLS 1.0 and TLS 1.1 off",
    "AS3 leaves all of them on unless each is set to false.",
)
VALIDATION = register(
    "BSM-D005",
    "warning",
    "TLS_Client validates the server's certificate and its name",
    "validateCertificate is false by default, and without serverName any name with a trusted certificate will do.",
)
EXPANSION = register(
    "BSM-D006",
    "error",
    "Back-quotes are expansions that AS3 knows",
    "AS3 answers 422 to an unknown one. iRules take expand: false; a monitor's strings are always expanded.",
)
RULE_ASCII = register(
    "BSM-D007",
    "error",
    "iRules are ASCII without NUL",
    "TMM rejects non-ASCII literals, and AS3 passes them on unchecked.",
)
RULE_BRACES = register(
    "BSM-D008",
    "error",
    "The braces of an iRule balance, comments and strings included",
    "AS3 wraps the text in braces: one that does not balance breaks the script of the whole tenant.",
)
RULE_CONTINUATION = register(
    "BSM-D009",
    "error",
    "No iRule line ends in a word and a backslash",
    "AS3 joins such a line with the next one and puts nothing in between.",
)
DUPLICATE_KEY = register(
    "BSM-D010", "error", "The keys of a data group are unique", "The last of two records silently wins."
)
RECORD_VALUE = register(
    "BSM-D011",
    "error",
    "Record values hold neither a backslash nor a control character",
    "AS3 removes every backslash and turns line ends and tabs into escapes.",
)
RECORD_SIZE = register("BSM-D012", "error", "Record values are at most 65,520 bytes", "TMOS refuses more (01070712).")
SHORT_NAME = register(
    "BSM-D013", "warning", "Item names have two characters or more", "AS3 pointers cannot point at shorter ones."
)
LONG_PATH = register(
    "BSM-D014", "error", "Full paths are at most 195 characters", "AS3 refuses longer ones, after validation."
)
INLINE_KEY = register(
    "BSM-D015",
    "error",
    "Private keys are objects of the device",
    "AS3 stores declarations in clear and returns them, inline private keys included.",
)
UNREADABLE_PEM = register(
    "BSM-D016",
    "error",
    "Certificates are readable PEM",
    "AS3 does not parse them; the device refuses them in the middle of the transaction.",
)
IGNORED_IGNORE = register(
    "BSM-D018",
    "error",
    "ignoreChanges is only set on external data groups",
    "On an internal one AS3 accepts it in silence and restores the declared records on the next POST.",
)
SHARED_PREFIX = register(
    "BSM-D019",
    "warning",
    "Objects in /Common have no name that begins with Shared",
    "AS3 takes them for its own, and deletes them with the next POST of tenant Common.",
)
COMPLETE = register(
    "BSM-D020",
    "warning",
    "updateMode is selective",
    "With complete AS3 deletes every tenant of the device that the declaration does not name.",
)

CIPHER_GROUP = register(
    "BSM-D021",
    "error",
    "TLS 1.3 comes with a cipherGroup",
    "TMOS refuses an SSL profile with TLS 1.3 and a cipher string (K10251520); AS3 does not check.",
)


@dataclass(frozen=True)
class Item:
    """An item of an application: ``path`` is ``/tenant/application/name``."""

    path: str
    name: str
    kind: str
    properties: Mapping[str, Any]

    def at(self, *keys: str | int) -> str:
        """JSON pointer of a value inside the item."""
        return "/".join((self.path, *map(str, keys)))


def lint_declaration(declaration: Mapping[str, Any]) -> list[Finding]:
    """Every finding in a declaration of class ADC, or of class AS3 around one; sorted by place.

    The iRules inside are checked for what AS3 does to them; their Tcl is the matter of ``lint_irule``.
    """
    if declaration.get("class") == "AS3" and isinstance(declaration.get("declaration"), Mapping):
        declaration = declaration["declaration"]
    findings = []
    if declaration.get("updateMode") == "complete":
        findings.append(COMPLETE.finding("/updateMode", "set it to selective, or leave it out"))
    if any(tenant == "Common" for tenant, _ in _objects(declaration, "Tenant")):
        findings.append(COMMON.finding("/Common", "put the objects into a tenant of their own"))
    for item in items(declaration):
        for check in CHECKS:
            findings.extend(check(item))
    return sorted(findings, key=lambda finding: (finding.where, finding))


def items(declaration: Mapping[str, Any]) -> Iterator[Item]:
    """Every item of a declaration of class ADC."""
    for tenant, body in _objects(declaration, "Tenant"):
        for application, content in _objects(body, "Application"):
            yield from _items(f"/{tenant}/{application}", content)


def _objects(parent: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in parent.items():
        implied = name in ("Common", "Shared")
        if isinstance(value, Mapping) and value.get("class", kind if implied else None) == kind:
            yield name, value


def _items(parent: str, application: Mapping[str, Any]) -> Iterator[Item]:
    for name, value in application.items():
        if name not in SYNTHETIC and isinstance(value, Mapping) and isinstance(value.get("class"), str):
            yield Item(f"{parent}/{name}", name, value["class"], value)


def _name(item: Item) -> Iterator[Finding]:
    if len(item.name) == 1:
        yield SHORT_NAME.finding(item.path, "give the item a longer name")
    if len(item.path) > LONGEST_PATH:
        message = f"the path has {len(item.path)} characters, {LONGEST_PATH} are allowed; shorten its names"
        yield LONG_PATH.finding(item.path, message)


def _service(item: Item) -> Iterator[Finding]:
    if item.kind == "Service_HTTPS" and "redirect80" not in item.properties:
        yield REDIRECT.finding(item.path, "set redirect80, to false unless port 80 is to be served")
    if item.kind in ("Service_HTTPS", "Service_HTTP") and "persistenceMethods" not in item.properties:
        yield PERSISTENCE.finding(item.path, "set persistenceMethods, to [] for none")


def _tls(item: Item) -> Iterator[Finding]:
    if item.kind not in ("TLS_Server", "TLS_Client"):
        return
    flags = ("sslEnabled", "ssl3Enabled", "tls1_0Enabled", "tls1_1Enabled")
    left_on = [flag for flag in flags if item.properties.get(flag, True) is not False]
    if left_on:
        yield VERSIONS.finding(item.path, f"set {', '.join(left_on)} to false")
    if item.properties.get("tls1_3Enabled") is True and "cipherGroup" not in item.properties:
        yield CIPHER_GROUP.finding(item.path, 'add cipherGroup, such as {"bigip": "/Common/f5-default"}')
    if item.kind == "TLS_Client":
        yield from _validation(item)


def _validation(item: Item) -> Iterator[Finding]:
    if item.properties.get("validateCertificate") is not True:
        yield VALIDATION.finding(item.path, "set validateCertificate to true, with trustCA and serverName")
    elif item.properties.get("trustCA") == "none":
        yield VALIDATION.finding(item.at("trustCA"), "name a CA bundle, or generic for the device's own")
    elif item.properties.get("serverName", "none") == "none":
        yield VALIDATION.finding(item.path, "set serverName to the name that must be certified")


def _rule(item: Item) -> Iterator[Finding]:
    text = pem.plain_text(item.properties.get("iRule")) if item.kind == "iRule" else None
    if text is None:
        return
    where = item.at("iRule")
    if item.properties.get("expand") is not False and (problem := expansion_error(text)):
        yield EXPANSION.finding(where, f"{problem}; set expand to false")
    if not text.isascii() or "\0" in text:
        line = next(n for n, one in enumerate(text.split("\n"), 1) if not one.isascii() or "\0" in one)
        yield RULE_ASCII.finding(where, f"line {line} is not ASCII; write it in ASCII")
    if problem := brace_error(text):
        yield RULE_BRACES.finding(where, f"{problem}; balance them")
    if line := glued_line(text):
        yield RULE_CONTINUATION.finding(where, f"line {line} would be glued to the next; write it as one line")


def _monitor(item: Item) -> Iterator[Finding]:
    if item.kind == "Monitor":
        for name in ("send", "receive", "receiveDown"):
            value = item.properties.get(name)
            if isinstance(value, str) and (problem := expansion_error(value)):
                yield EXPANSION.finding(item.at(name), f"{problem}; write two for a literal one")


def _data_group(item: Item) -> Iterator[Finding]:
    if item.kind != "Data_Group" or item.properties.get("storageType", "internal") != "internal":
        return
    if "ignoreChanges" in item.properties:
        yield IGNORED_IGNORE.finding(
            item.at("ignoreChanges"), "leave it out, and keep what changes out of AS3's tenants"
        )
    records = item.properties.get("records")
    seen: set[Any] = set()
    for index, record in enumerate(records if isinstance(records, list) else ()):
        if not isinstance(record, Mapping):
            continue
        key, value = record.get("key"), record.get("value", "")
        if isinstance(key, (str, int)):
            if key in seen:
                yield DUPLICATE_KEY.finding(item.at("records", index), f"key {key!r} is there already; remove one")
            seen.add(key)
        if isinstance(value, str):
            yield from _record_value(item.at("records", index, "value"), value)


def _record_value(where: str, value: str) -> Iterator[Finding]:
    if "\\" in value or any(character < " " for character in value):
        yield RECORD_VALUE.finding(where, "a backslash or control character would be rewritten; encode it")
    if len(value) * 4 > LARGEST_VALUE and (size := len(value.encode("utf-8", "surrogatepass"))) > LARGEST_VALUE:
        yield RECORD_SIZE.finding(where, f"the value has {size} bytes; split it over several records")


def _certificate(item: Item) -> Iterator[Finding]:
    if item.kind == "Certificate":
        key = pem.plain_text(item.properties.get("privateKey"))
        # AS3 leaves the key of an item of this very name out of what it stores (its certUtil).
        if key is not None and "PRIVATE KEY-----" in key and not pem.is_encrypted_key(key) and item.name != "useCert":
            yield INLINE_KEY.finding(item.at("privateKey"), 'refer to the device\'s key: {"bigip": "/Common/name.key"}')
    texts = {"Certificate": ("certificate", "chainCA"), "CA_Bundle": ("bundle",)}.get(item.kind, ())
    for name in texts:
        if name == "chainCA" and isinstance(item.properties.get(name), str) and _is_pointer(item.properties[name]):
            continue
        text = pem.plain_text(item.properties.get(name))
        if text is not None and (problem := pem.certificate_error(text)):
            yield UNREADABLE_PEM.finding(item.at(name), problem)


def _is_pointer(value: str) -> bool:
    return "\n" not in value and "-----" not in value


def _references(item: Item) -> Iterator[Finding]:
    for where, value in _bigip_references(item.path, item.properties):
        if value.startswith("/Common/Shared") and not value.startswith("/Common/Shared/"):
            yield SHARED_PREFIX.finding(where, f"{value} is deleted when tenant Common is posted; rename it")


def _bigip_references(where: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "bigip" and isinstance(inner, str):
                yield f"{where}/bigip", inner
            elif key != "records":
                yield from _bigip_references(f"{where}/{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _bigip_references(f"{where}/{index}", inner)


CHECKS: tuple[Callable[[Item], Iterator[Finding]], ...] = (
    _name,
    _service,
    _tls,
    _rule,
    _monitor,
    _data_group,
    _certificate,
    _references,
)
