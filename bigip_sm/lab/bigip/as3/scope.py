"""Where an item stands in a declaration, and what its pointers lead to.

Facts: AS3's ``src/lib/util/extractUtil.js`` (pointers and their errors) and ``src/lib/tag/bigComponentTag.js``
(references to objects of the device). JSON pointers that are relative or begin with ``@`` are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bigip_sm.lab.bigip.as3.invalid import invalid, lab_gap, unprocessable
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.replies import Json

_POINTER = re.compile(
    r"/?((@|[0-9]+|[A-Za-z_][0-9A-Za-z_.-]{0,188}[0-9A-Za-z_.]*)/)*([0-9]+|[A-Za-z_][0-9A-Za-z_.-]{0,188}[0-9A-Za-z_.])"
)
_CLASS = "class"


@dataclass(frozen=True)
class Item:
    """One object of an application: ``/tenant/application/name``."""

    tenant: str
    application: str
    name: str
    body: Json = field(repr=False)

    @property
    def path(self) -> str:
        """The item's path: its JSON pointer, and its name on the device."""
        return f"/{self.tenant}/{self.application}/{self.name}"

    @property
    def kind(self) -> str:
        """The AS3 class."""
        return str(self.body.get(_CLASS, ""))


@dataclass(frozen=True)
class Scope:
    """The declaration that pointers lead into, and the device that references lead to."""

    declaration: Json
    config: Config

    def item(self, source: Item, where: str, pointer: str, *classes: str) -> Item:
        """The item that ``pointer`` in ``source`` leads to, of one of ``classes``. Raises Refusal (422)."""
        if not _POINTER.fullmatch(pointer) or ("/" in pointer and not pointer.startswith("/")):
            raise invalid(where, "contains an invalid path (invalid character)")
        if pointer[0] in "@0123456789":
            raise lab_gap(where, "relative JSON pointers are")
        home = (source.tenant, source.application)
        if not pointer.startswith("/"):
            parts = [*home, pointer]
        else:
            parts = pointer[1:].split("/")
            parts = [home[depth] if part == "@" and depth < len(home) else part for depth, part in enumerate(parts)]
        found = self._follow(parts, home, where)
        if found.kind not in classes:
            raise invalid(where, f"AS3 pointer {pointer} does not point to required object type")
        return found

    def _follow(self, parts: list[str], home: tuple[str, str], where: str) -> Item:
        if len(parts) != 3:
            raise invalid(where, "contains invalid path (cross-/T/A)")
        node: Any = self.declaration
        for depth, part in enumerate(parts):
            if not isinstance(node, dict) or part not in node:
                raise invalid(where, f"contains path to non-existent object {part}")
            node = node[part]
            if (depth == 0 and part not in ("Common", home[0])) or (depth == 1 and part not in ("Shared", home[1])):
                message = "must contain path pointing into same Application (or /same-Tenant/Shared or /Common/Shared)"
                raise invalid(where, message)
        return Item(parts[0], parts[1], parts[2], node if isinstance(node, dict) else {})

    def on_device(self, where: str, path: Any, kind: type) -> str:
        """The path of a ``{bigip}`` reference, which must exist. Raises Refusal (422)."""
        if not isinstance(path, str):
            raise invalid(where, "should be string")
        if self.config.get(kind, path) is None:
            raise unprocessable(f"Unable to find {path} for {where}")
        return path

    def reference(self, source: Item, name: str, value: Any, kind: type, *classes: str) -> str:
        """Path on the device of what a property refers to: a pointer string, ``{use}`` or ``{bigip}``.

        ``kind`` is the class of the object on the device, ``classes`` are the AS3 classes that make it.
        Raises Refusal (422).
        """
        where = f"{source.path}/{name}"
        if isinstance(value, str):
            return self.item(source, where, value, *classes).path
        if isinstance(value, dict) and len(value) == 1:
            how, target = next(iter(value.items()))
            if how == "use" and isinstance(target, str):
                return self.item(source, f"{where}/use", target, *classes).path
            if how == "bigip":
                return self.on_device(where, target, kind)
        raise invalid(where, "should be a pointer, {use} or {bigip}")
