"""YAML text -> plain data in which every value knows its line.

YAML is read in the subset on which YAML 1.1 and 1.2 agree: one document, text keys, no tags, no merge keys, and no
unquoted scalar that one version reads as text and the other as something else (``no``, ``1e3``, ``12:30``, ``010``).
Aliases are allowed and bounded. The tree is built from the parser's event stream and not by recursion, so that neither
deep nesting nor an alias bomb costs stack or memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from bigip_sm.errors import Problem, SpecError

MAX_CHARACTERS = 4 * 1024 * 1024
"""Longest text that is read; a gateway with 1,000 routes has a tenth of it."""
MAX_DEPTH = 32
"""Deepest nesting of lists and mappings."""
MAX_NODES = 500_000
"""Most values in a document, counted after aliases are expanded."""

Path = tuple[str | int, ...]
"""Where a value is: keys and list indexes from the top of the document."""

# Characters that YAML forbids, and line breaks that YAML counts but editors do not (their lines would differ).
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"
)
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_KEYWORDS: dict[str, bool | None] = {"": None, "~": None}
_KEYWORDS |= dict.fromkeys(("null", "Null", "NULL"))
_KEYWORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_KEYWORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
_OLD_BOOLEAN = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
# Everything that YAML 1.1 (yaml.org/type) or 1.2 (core schema, section 10.3.2) takes for a number.
_NUMBER = re.compile(
    r"[-+]?(0b[01_]+|0o[0-7]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))|\.(nan|NaN|NAN)"
)
_PLAIN_STEP = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Node:
    """One value: its ``line`` (from 1), its plain Python ``value``, and what it contains.

    ``raw`` is the text of an unquoted scalar as it was written. ``children`` maps keys or list indexes to nodes,
    ``keys`` maps keys to their lines; ``weight`` is the number of values in it, aliases expanded.
    """

    line: int
    value: Any
    raw: str | None = None
    children: Mapping[str | int, Node] = field(default_factory=dict)
    keys: Mapping[str | int, int] = field(default_factory=dict)
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its values and what is wrong with its YAML.

    ``broken`` are the paths of values that could not be taken as they are written: nothing more is said about them.
    """

    file: str
    root: Node
    problems: tuple[Problem, ...]
    broken: frozenset[Path]

    def find(self, path: Path) -> Node | None:
        """Return the value at ``path``, None if there is none."""
        node: Node | None = self.root
        for step in path:
            if node is None:
                return None
            node = node.children.get(step)
        return node

    def line(self, path: Path) -> int:
        """Return the line for ``path``: of the value, of its key if it may span lines, or of the nearest parent."""
        node, line = self.root, self.root.line
        for step in path:
            child = node.children.get(step)
            if child is None:
                return node.keys.get(step, line)
            line = node.keys.get(step, child.line) if child.children or child.value is None else child.line
            node = child
        return line

    def problem(self, path: Path, message: str, fix: str, *, shown: int | None = None) -> Problem:
        """Make the problem ``message``; ``fix`` about the value at ``path``, of which ``shown`` steps are shown."""
        return _problem(self.file, self.line(path), path[:shown], message, fix)


def dotted(path: Path) -> str:
    """Write a path as people do: ``routes.chat.allow[0]``, ``networks["10.0.0.0/8"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_STEP.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def quoted(value: Any) -> str:
    """Show a value on one line, in double quotes if it is text, at most some 60 characters of it and never a key."""
    if isinstance(value, str) and "PRIVATE KEY" in value:
        return "a private key"
    if isinstance(value, str) and len(value) > 60:
        value = value[:57] + "..."
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if text.isprintable() else json.dumps(value, default=str)
    return text if isinstance(value, str) or len(text) <= 60 else text[:57] + "..."


def _problem(file: str, line: int, path: Path, message: str, fix: str) -> Problem:
    """Make a problem whose words stay on one line, whatever names of the user's are in them."""
    return Problem(file, line, dotted(path), printable(message), printable(fix))


def printable(text: str) -> str:
    """Return ``text`` with escapes in place of what does not print."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def parse(file: str, text: str) -> Document:
    """Parse YAML ``text``; ``file`` is only its name. Raises SpecError if there is no document to go on with."""
    _check_characters(file, text)
    builder = _Builder(file)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SpecError([Problem(file, line, "", *_syntax(error, text, line))]) from None
    except yaml.YAMLError:
        raise SpecError([Problem(file, 1, "", "this is not YAML text", "save the file as UTF-8 text")]) from None
    root = builder.root
    if root is None or (root.value is None and not builder.problems):
        raise SpecError([Problem(file, 1, "", "the file is empty", "write the keys that it needs")])
    return Document(file, root, tuple(builder.problems), frozenset(builder.broken))


def _check_characters(file: str, text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        limit = f"{MAX_CHARACTERS // 1024**2} MiB"
        raise SpecError([Problem(file, 1, "", f"the file is larger than {limit}", "split it into several gateways")])
    if text.startswith("\ufeff"):
        raise SpecError(
            [Problem(file, 1, "", "the file begins with a byte-order mark", "save it as UTF-8 without BOM")]
        )
    found = _FORBIDDEN.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        message = f"character U+{ord(found.group()[0]):04X} is not allowed in the file"
        raise SpecError([Problem(file, line, "", message, "remove it, and save the file as UTF-8 with LF line ends")])


def _syntax(error: yaml.MarkedYAMLError, text: str, line: int) -> tuple[str, str]:
    """Return message and fix for a syntax error that the YAML parser found."""
    lines = text.split("\n")
    column = error.problem_mark.column if error.problem_mark else 0
    found = lines[line - 1][column : column + 1] if line <= len(lines) else ""
    what = str(error.problem or "it cannot be read")
    if found == "\t":
        return "a tab is used for indentation", "use spaces"
    if found in ("@", "`", "%") and "cannot start" in what:
        return f'a value cannot begin with "{found}"', "put the value in quotes"
    if "mapping values are not allowed" in what:
        return "not valid YAML: a second colon in one line, or wrong indentation", "put a value with a colon in quotes"
    return f"not valid YAML: {what}", "check the indentation, brackets and quotes here and in the lines before"


@dataclass(slots=True)
class _Frame:
    """A list or a mapping that is still open."""

    path: Path
    line: int
    anchor: str | None
    mapping: bool
    value: dict[str, Any] | list[Any]
    children: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str | int, int] = field(default_factory=dict)
    weight: int = 1
    key: str | None = None
    discard: bool = False

    def step(self) -> str | int:
        return (self.key or "") if self.mapping else len(self.children)


class _Builder:
    """Takes parser events one after the other and builds nodes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self.broken: set[Path] = set()
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.ScalarEvent):
            self._tag(event, line)
            self._scalar(event, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._tag(event, line)
            self._open(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._fatal(line, "a second YAML document begins here", "keep one document: remove this --- line")

    def _fatal(self, line: int, message: str, fix: str) -> NoReturn:
        raise SpecError([*self.problems, _problem(self.file, line, self._path(), message, fix)])

    def _path(self) -> Path:
        if not self._frames:
            return ()
        frame = self._frames[-1]
        return (*frame.path, frame.step()) if frame.key is not None or not frame.mapping else frame.path

    def _report(self, path: Path, line: int, message: str, fix: str) -> None:
        self.problems.append(_problem(self.file, line, path, message, fix))
        self.broken.add(path)

    def _expects_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].mapping and self._frames[-1].key is None

    def _tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None:
            self._fatal(line, f"the tag {quoted(event.tag)} is not allowed", "write the value without a tag")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        plain = not event.style
        value: Any = event.value
        trouble = None
        if plain:
            value, trouble = _resolve(event.value)
        elif _NOT_TEXT.search(event.value):
            trouble = ("the text contains a control character", "write it without escapes")
        if self._expects_key():
            self._key(event.value, value, plain, trouble, line)
            return
        if trouble:
            self._report(self._path(), line, *trouble)
        self._add(Node(line, value, event.value if plain else None), event.anchor)

    def _key(self, text: str, value: Any, plain: bool, trouble: tuple[str, str] | None, line: int) -> None:
        frame = self._frames[-1]
        frame.key = text
        frame.discard = text in frame.children
        path = (*frame.path, text)
        if plain and text == "<<":
            frame.discard = True
            self._report(path, line, "merge keys are not supported", "write the keys out, so that a review sees them")
        elif frame.discard:
            self._report(
                path, line, f"this key is already in line {frame.keys[text]}", "keep one of the two, or rename one"
            )
        elif trouble:
            self._report(path, line, trouble[0], f"put the key in quotes: {quoted(text)}" if plain else trouble[1])
        elif not isinstance(value, str):
            self._report(path, line, "a key must be text", f"put it in quotes: {quoted(text)}")
        if not frame.discard:
            frame.keys[text] = line

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if self._expects_key():
            self._fatal(line, "a key must be text, not a list or a mapping", "write one word before the colon")
        if len(self._frames) >= MAX_DEPTH:
            self._fatal(line, f"nested deeper than {MAX_DEPTH} levels", "nothing in this file is nested that deep")
        if event.anchor:
            self._anchors[event.anchor] = None
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._frames.append(_Frame(self._path(), line, event.anchor, mapping, {} if mapping else []))

    def _close(self) -> None:
        frame = self._frames.pop()
        node = Node(frame.line, frame.value, None, frame.children, frame.keys, frame.weight)
        self._add(node, frame.anchor)

    def _alias(self, event: yaml.AliasEvent, line: int) -> None:
        name = str(event.anchor)
        if self._expects_key():
            self._fatal(line, f"the alias *{name} is used as a key", "write the key out")
        if name not in self._anchors:
            self._fatal(
                line, f"there is no anchor &{name}", f'for text that begins with *, write it in quotes: "*{name}"'
            )
        node = self._anchors[name]
        if node is None:
            self._fatal(line, f"the alias *{name} contains itself", "write the values out")
        self._add(Node(line, node.value, node.raw, node.children, node.keys, node.weight), None)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.weight += node.weight
        if frame.weight > MAX_NODES:
            self._fatal(node.line, f"more than {MAX_NODES} values, aliases expanded", "use fewer aliases")
        if not frame.discard:
            step = frame.step()
            frame.children[step] = node
            if isinstance(frame.value, dict):
                frame.value[str(step)] = node.value
            else:
                frame.value.append(node.value)
        frame.key, frame.discard = None, False


def _resolve(text: str) -> tuple[Any, tuple[str, str] | None]:
    """Return the value of an unquoted scalar, and message and fix if YAML versions disagree about it."""
    if text in _KEYWORDS:
        return _KEYWORDS[text], None
    if _INTEGER.fullmatch(text):
        return int(text), None
    if _FLOAT.fullmatch(text):
        return float(text), None
    if _OLD_BOOLEAN.fullmatch(text):
        return text, (f"YAML may read {text} as true or false", f"write true or false, or for text {quoted(text)}")
    if _NUMBER.fullmatch(text):
        return text, (
            f"YAML may read {quoted(text)[1:-1]} as another number",
            f"write it as a plain decimal number, or for text in quotes: {quoted(text)}",
        )
    return text, None
