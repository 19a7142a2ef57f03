"""What is known of values without running anything: whether they may begin with a hyphen, and where they come from.

Kinds of a value: ``wire`` (a client or server chose it), ``decoded`` (it may hold line ends too), ``secret`` (it is, or
holds, a credential), ``private`` (a cookie or a body). What is not known to have a kind has none.
"""

from __future__ import annotations

import re
from functools import cached_property

from bigip_sm.lint.effects import Scope, Variables, Write, arguments_after_options
from bigip_sm.lint.tree import Statement, Unit
from bigip_sm.tcl.forms import names
from bigip_sm.tcl.parser import Part, Word

Kinds = frozenset[str]
MOST_FOLLOWED = 50
NONE: Kinds = frozenset()
WIRE = frozenset({"wire"})
PRIVATE = frozenset({"wire", "private"})
BODY = frozenset({"wire", "decoded", "private"})
SECRET = frozenset({"wire", "secret"})

SECRET_HEADERS = re.compile(r"(?:proxy-)?authorization|x-api-key|api-key|x-amz-security-token|x-auth-token", re.I)

SOURCES: dict[str, Kinds] = {
    **dict.fromkeys(("HTTP::uri", "HTTP::path", "HTTP::query", "HTTP::host", "HTTP::method", "HTTP::username"), WIRE),
    "HTTP::request": PRIVATE,
    "HTTP::cookie": PRIVATE,
    "HTTP::payload": BODY,
    "HTTP::password": SECRET,
    "TCP::payload": BODY,
    "UDP::payload": BODY,
    "SSL::payload": BODY,
    "WS::payload": BODY,
    "ASM::payload": BODY,
    "X509::subject": WIRE,
    "X509::issuer": WIRE,
    "X509::extensions": WIRE,
    "SSL::extensions": WIRE,
    "DNS::question": WIRE,
    "SIP::header": WIRE,
    "SIP::uri": WIRE,
    "JSON::get": BODY,
}
NO_VALUE = names("exists count length is_redirect is_keepalive insert remove replace names lws sanitize")
GETTERS = frozenset({"HTTP::header", "HTTP::cookie", "HTTP::payload", "TCP::payload", "UDP::payload", "SSL::payload"})

KEEP_ALL = frozenset({"set", "append", "list", "concat", "join", "subst", "lreplace", "linsert", "return"})
KEEP_STRING = names("tolower toupper totitle trim trimleft trimright range replace index repeat map")
KEEP_WIRE = names(
    """lindex lrange split getfield findstr substr lsort format URI::path URI::query URI::host URI::basename
    regsub"""
)
DECODES = frozenset({"URI::decode", "b64decode", "decode_uri"})

NEVER_HYPHEN = names(
    """HTTP::uri HTTP::path HTTP::status HTTP::version HTTP::request_num HTTP::is_redirect HTTP::has_responded
    HTTP::is_keepalive IP::client_addr IP::remote_addr IP::local_addr IP::server_addr IP::protocol IP::version
    TCP::client_port TCP::remote_port TCP::local_port TCP::server_port TCP::rtt UDP::client_port UDP::remote_port
    UDP::local_port UDP::server_port client_addr client_port server_addr server_port remote_addr remote_port local_addr
    local_port llength b64encode active_members members crc32 virtual LB::server SSL::cipher SSL::verify_result
    SSL::cert TMM::cmp_unit TMM::cmp_count X509::hash X509::serial_number X509::whole X509::version URI::path
    LINK::vlan_id PROFILE::exists"""
)
"""Commands whose result never begins with a hyphen; names that TMM gives to objects do not either."""

NEVER_HYPHEN_CALLS = {
    "array": names("size"),
    "class": names("exists size"),
    "clock": names("clicks format seconds"),
    "HTTP::cookie": names("count exists"),
    "HTTP::header": names("count exists"),
    "HTTP::payload": names("length"),
    "info": names("exists"),
    "string": names("compare equal is length match"),
}
SAME_START = frozenset({"string tolower", "string toupper", "string totitle", "string trimright", "string trim"})


class Values:
    """Answers for the words of one rule."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self._hyphens: dict[tuple[int, str], bool] = {}

    # Hyphens.

    def may_begin_with_hyphen(self, word: Word, unit: Unit, depth: int = 0) -> bool:
        """Whether the value of a word may begin with ``-``; unknown is taken for yes.

        ``depth`` is how many variables were followed; a value that comes through very many is not doubted.
        """
        if word.form == "brace":
            return word.parts[0].value.startswith("-")
        if not word.parts:
            return False
        first = word.parts[0]
        if first.kind in ("text", "escape"):
            return first.value.startswith("-")
        if first.kind == "variable":
            return self._variable_hyphen(first.value, unit, depth)
        return self._script_hyphen(first, unit, depth)

    def _variable_hyphen(self, name: str, unit: Unit, depth: int) -> bool:
        name = name.partition("(")[0].removeprefix("::")
        key = (id(self.variables.scopes[unit]), name)
        if key not in self._hyphens and depth < MOST_FOLLOWED:
            self._hyphens[key] = False  # what it is while it is being found out
            self._hyphens[key] = self._find_hyphen(name, unit, depth + 1)
        return self._hyphens.get(key, False)

    def _find_hyphen(self, name: str, unit: Unit, depth: int) -> bool:
        if name in unit.parameters:
            calls = self.variables.calls.get(unit.procedure, [])
            place = unit.parameters.index(name) + 2
            words = [(call.words[place], call.body.unit) for call in calls if place < len(call.words)]
            return not words or any(self.may_begin_with_hyphen(word, caller, depth) for word, caller in words)
        found = self._writes(name, unit)
        if not found or self.variables.scopes[unit].dynamic:
            return True
        return any(self._write_hyphen(write, depth) for write in found)

    def _writes(self, name: str, unit: Unit) -> list[Write]:
        if name.startswith("static::"):
            scopes = {id(scope): scope for scope in self.variables.scopes.values()}.values()
            found = [write for scope in scopes for write in scope.writes.get(name, ())]
        else:
            found = self.variables.scopes[unit].writes.get(name, [])
        return [write for write in found if write.how != "unset"]

    def _write_hyphen(self, write: Write, depth: int) -> bool:
        unit = write.statement.body.unit
        if write.how in ("set", "append", "lappend") and write.source is not None:
            return self.may_begin_with_hyphen(write.source, unit, depth)
        if write.how == "element" and write.source is not None and write.source.literal() is not None:
            return any(element.startswith(("-", "{-", '"-')) for element in (write.source.literal() or "").split())
        if write.how == "scan":
            return False
        return write.how not in ("incr",)

    def _script_hyphen(self, part: Part, unit: Unit, depth: int) -> bool:
        statement = self.result(part)
        if statement is None:
            return True
        call = statement.call
        if statement.name in NEVER_HYPHEN or statement.literal(0) in NEVER_HYPHEN_CALLS.get(statement.name, ()):
            return False
        if call == "class match":
            return any(word.literal() in ("-value", "-name", "-element") for word in statement.words)
        if call in SAME_START and len(statement.words) > 2:
            return self.may_begin_with_hyphen(statement.words[2], unit, depth)
        if self._keeps_start(statement):
            return self.may_begin_with_hyphen(statement.words[1 + (statement.name == "string")], unit, depth)
        if statement.name == "set" and len(statement.words) == 2:
            return self._variable_hyphen(statement.literal(0) or "", unit, depth)
        if statement.name == "expr":
            return "-" in self.variables.tree.text[statement.start : statement.end]
        return True

    @staticmethod
    def _keeps_start(statement: Statement) -> bool:
        """Whether the result begins as an argument does: that after ``string range``, the first of the others."""
        name, count = statement.name, len(statement.arguments)
        if name == "getfield":
            return count == 3 and statement.literal(2) == "1"
        if name == "string":
            return count == 4 and statement.literal(0) == "range" and statement.literal(2) == "0"
        if name == "lindex":
            return count == 2 and statement.literal(1) == "0"
        return name == "split" and count > 0

    # Kinds.

    def result(self, part: Part) -> Statement | None:
        """The command whose result a part in brackets is."""
        return self._by_start.get(part.script.commands[-1].start) if part.script and part.script.commands else None

    @cached_property
    def _by_start(self) -> dict[int, Statement]:
        return {statement.start: statement for statement in self.variables.tree.statements()}

    @cached_property
    def _kinds(self) -> dict[tuple[int, str], Kinds]:
        """(scope, variable) -> kinds, found by going over all assignments until nothing changes."""
        known: dict[tuple[int, str], Kinds] = {}
        self.__dict__["_kinds"] = known
        scopes = {id(scope): scope for scope in self.variables.scopes.values()}
        for _ in range(8):
            before = dict(known)
            for scope in scopes.values():
                self._spread(scope, known)
            if known == before:
                break
        return known

    def _spread(self, scope: Scope, known: dict[tuple[int, str], Kinds]) -> None:
        for name, found in scope.writes.items():
            key = (0 if name.startswith("static::") else id(scope), name)
            for write in found:
                known[key] = known.get(key, NONE) | self._written(write)
        for unit in scope.units:
            for place, name in enumerate(unit.parameters, 2):
                for call in self.variables.calls.get(unit.procedure, ()):
                    if place < len(call.words):
                        key = (id(scope), name)
                        known[key] = known.get(key, NONE) | self.kinds(call.words[place], call.body.unit)

    def _written(self, write: Write) -> Kinds:
        if write.source is None:
            return NONE
        kinds = self.kinds(write.source, write.statement.body.unit)
        if write.how == "scan":
            template = write.statement.literal(1) or ""
            return kinds & WIRE if re.search(r"%[^dioux]*(?:s|\[)", template) else NONE
        if write.how == "binary":
            template = write.statement.literal(2) or ""
            return kinds - {"secret"} if re.search(r"[aA]", template) else NONE
        return kinds - {"secret"} if write.how in ("part", "element") else kinds

    def variable(self, name: str, unit: Unit) -> Kinds:
        """The kinds of a variable."""
        name = name.partition("(")[0].removeprefix("::")
        scope = 0 if name.startswith("static::") else id(self.variables.scopes[unit])
        return self._kinds.get((scope, name), NONE)

    def kinds(self, word: Word, unit: Unit) -> Kinds:
        """The kinds of the value of a word."""
        parts = () if word.form == "brace" else word.parts
        return frozenset(kind for part in parts for kind in self.part(part, unit))

    def part(self, part: Part, unit: Unit) -> Kinds:
        """The kinds of a part of a word."""
        if part.kind == "variable":
            return self.variable(part.value, unit)
        statement = self.result(part) if part.kind == "script" else None
        return self.statement(statement) if statement is not None else NONE

    def statement(self, statement: Statement) -> Kinds:
        """The kinds of what a command returns."""
        name, unit = statement.name, statement.body.unit
        if name == "HTTP::header":
            return header_kinds(statement)
        if name in SOURCES:
            quiet = name in GETTERS and statement.literal(0) in NO_VALUE
            setter = name in ("HTTP::uri", "HTTP::path", "HTTP::query", "HTTP::host") and self._sets(statement)
            return NONE if quiet or setter else SOURCES[name]
        if name == "set" and len(statement.words) == 2:
            return self.variable(statement.literal(0) or "", unit)
        words = statement.arguments
        if name == "string":
            return self._string(statement)
        if name in KEEP_ALL:
            return self._all(words, unit)
        if name in DECODES:
            inner = self._all(words, unit)
            return inner | {"decoded"} if "wire" in inner else inner
        if name in KEEP_WIRE:
            inner = self._all(words, unit)
            return inner if self._keeps_secret(statement) else inner - {"secret"}
        return NONE

    def _sets(self, statement: Statement) -> bool:
        return any(not (word.literal() or "").startswith("-") for word in statement.arguments)

    def _all(self, words: tuple[Word, ...], unit: Unit) -> Kinds:
        return frozenset(kind for word in words for kind in self.kinds(word, unit))

    def _string(self, statement: Statement) -> Kinds:
        if statement.literal(0) not in KEEP_STRING or len(statement.words) < 3:
            return NONE
        rest = arguments_after_options(statement, 1)
        unit = statement.body.unit
        if statement.literal(0) == "map":
            table = rest[0].literal() if rest else None
            kinds = self.kinds(rest[-1], unit) if rest else NONE
            return kinds - {"decoded"} if table and ("\n" in table or "\\n" in table) else kinds
        return self.kinds(rest[0], unit) if rest else NONE

    @staticmethod
    def _keeps_secret(statement: Statement) -> bool:
        """Whether a part of a credential is a credential: the token after its scheme is, a user name is not."""
        if statement.name == "split":
            return True
        if statement.name == "lindex":
            return statement.literal(1) not in ("0", None)
        return statement.name == "getfield" and statement.literal(1) == " " and statement.literal(2) != "1"


def header_kinds(statement: Statement) -> Kinds:
    """The kinds of what ``HTTP::header`` returns."""
    words = list(statement.arguments)
    if words and words[0].literal() in ("value", "values"):
        words.pop(0)
    elif words and words[0].literal() in NO_VALUE | {"at"}:
        return NONE
    name = words[0].literal() if words else None
    if name is not None and SECRET_HEADERS.fullmatch(name):
        return SECRET
    return PRIVATE if name is not None and name.lower() in ("cookie", "set-cookie") else WIRE
