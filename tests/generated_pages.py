"""The parts of the docs that are made from the code. `make docs` writes them, test_docs.py holds them to it.

A page holds a part between ``<!-- begin: NAME (make docs) -->`` and ``<!-- end: NAME -->``; the rest is by hand.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def reasons() -> str:
    """The table of refusals, and what each one means."""
    from bigip_sm.render.reasons import REASONS

    found = sorted(REASONS.values(), key=lambda reason: (reason.status, reason.code))
    lines = ["| status | reason | who must act |", "|---|---|---|"]
    lines += [f"| {one.status} | [`{one.code}`](#{one.code}) | {one.who} |" for one in found]
    for one in found:
        lines += ["", f"### {one.code}", "", f'Status {one.status}: "{one.message}"', ""]
        lines += [one.meaning, "", f"- **Who must act**: {one.who}", f"- **How to check**: {one.check}"]
    return "\n".join(lines)


def rules() -> str:
    """The table of our own rules."""
    from bigip_sm.lint import RULES

    lines = ["| rule | level | what is wanted | otherwise |", "|---|---|---|---|"]
    for one in sorted(RULES.values(), key=lambda rule: rule.id):
        name = f"[{one.id}](rules/{one.id}.md)" if one.bad else one.id
        lines.append(f"| {name} | {one.level} | {_cell(one.title)} | {_cell(one.why)} |")
    return "\n".join(lines)


def rule_pages() -> dict[Path, str]:
    """A page of its own for each rule that has examples."""
    from bigip_sm.lint import RULES
    from bigip_sm.lint.pages import page

    return {DOCS / "rules" / f"{one.id}.md": page(one) for one in RULES.values() if one.bad}


def keys() -> str:
    """One table of keys for each object of gateway.yaml, from its JSON Schema."""
    from bigip_sm.spec import json_schema

    return _tables("gateway.yaml", json_schema())


def devices() -> str:
    """The same for devices.yaml."""
    from bigip_sm.bigip.inventory import InventoryModel

    return _tables("devices.yaml", InventoryModel.model_json_schema())


def audit() -> str:
    """The fields of an audit record."""
    from bigip_sm.audit.record import AuditRecord

    return _tables("AuditRecord", AuditRecord.model_json_schema())


def facts() -> str:
    """Every fact behind the lab, and the test that holds it."""
    from fidelity.page import fidelity

    return fidelity()


def _tables(title: str, schema: dict[str, Any]) -> str:
    sections = [_section(title, schema, schema)]
    sections += [_section(name, model, schema) for name, model in _objects(schema)]
    return "\n\n".join(sections)


def _objects(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every object of the schema in the order in which a reader of the file meets it."""
    seen: dict[str, dict[str, Any]] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name and name not in seen:
                seen[name] = schema["$defs"][name]
                walk(seen[name])
            for key, value in node.items():
                if key not in ("$defs", "discriminator"):
                    walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema["properties"])
    return [(name, node) for name, node in seen.items() if node.get("type") == "object"]


def _section(title: str, node: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = [f"### {title}", ""]
    about = " ".join(str(node.get("description", "")).split())
    if about and not title.endswith(".yaml"):
        lines += [about, ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in node["properties"].items():
        if value.get("readOnly"):
            continue
        default = "required" if key in node.get("required", ()) else _default(value)
        meaning = " ".join(str(value.get("description", "")).split())
        lines.append(f"| `{key}` | {_kind(value, schema)} | {default} | {_cell(meaning)} |")
    return "\n".join(lines)


def _default(value: dict[str, Any]) -> str:
    """What holds when the key is left out, as a user would write it."""
    if "default" not in value:
        return "see there"
    found = value["default"]
    if found in (None, [], {}):
        return "none"
    if value.get("examples") == ["60s"]:
        found = f"{found}s"
    elif value.get("examples") == ["1MiB"]:
        found = f"{found // 1024**2}MiB" if found % 1024**2 == 0 else f"{found}B"
    elif isinstance(found, bool):
        found = str(found).lower()
    return f"`{', '.join(map(str, found)) if isinstance(found, list) else found}`"


def _kind(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "examples" in value:
        return f"like `{value['examples'][0]}`"
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if schema["$defs"][name].get("type") == "object" else "value"
    for choice in ("anyOf", "oneOf"):
        if choice in value:
            kinds = [_kind(one, schema) for one in value[choice] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if value.get("type") == "array":
        return f"list of {_kind(value['items'], schema)}"
    if value.get("type") == "object":
        inner: dict[str, Any] = value.get("additionalProperties") or next(
            iter(value.get("patternProperties", {}).values()), {}
        )
        return f"name: {_kind(inner, schema)}"
    return _scalar(value)


def _scalar(value: dict[str, Any]) -> str:
    kind = str(value.get("format") or value.get("type") or "value")
    low, high = value.get("minimum"), value.get("maximum")
    if low is not None or high is not None:
        kind += f", {low if low is not None else ''} to {high if high is not None else ''}".rstrip()
    return _words().get(value.get("pattern", ""), kind)


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    """Pattern of a value -> what people call such a value. The pattern itself is in `bigip-sm schema spec`."""
    from pydantic import TypeAdapter

    from bigip_sm.spec import scalars

    named = {
        "name": scalars.Name,
        "subject": scalars.Subject,
        "host name": scalars.Hostname,
        "device object": scalars.DeviceObject,
        "region": scalars.Region,
        "role ARN": scalars.RoleArn,
        "endpoint name": scalars.EndpointName,
    }
    return {TypeAdapter(alias).json_schema()["pattern"]: word for word, alias in named.items()}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PARTS = {
    "reasons": ("reasons.md", reasons),
    "rules": ("rules.md", rules),
    "keys": ("gateway-yaml.md", keys),
    "devices": ("devices-yaml.md", devices),
    "audit": ("audit.md", audit),
    "fidelity": ("fidelity.md", facts),
}
"""Name of a part -> (page, what makes it)."""


def current(name: str) -> tuple[Path, str, str]:
    """(page, its text now, its text with the part ``name`` made anew)."""
    file, make = PARTS[name]
    page = DOCS / file
    now = page.read_text("utf-8")
    marks = re.compile(rf"(<!-- begin: {name} \(make docs\) -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    if not marks.search(now):
        raise ValueError(f"{file}: the marks of part {name} are missing")
    return page, now, marks.sub(lambda match: f"{match[1]}\n{make()}\n\n{match[2]}", now, count=1)


def main() -> None:
    """Write every part that is not current."""
    for name in PARTS:
        page, now, wanted = current(name)
        if now != wanted:
            page.write_text(wanted, encoding="utf-8")
            sys.stdout.write(f"wrote {page.name}\n")
    for page, wanted in rule_pages().items():
        if not page.exists() or page.read_text("utf-8") != wanted:
            page.parent.mkdir(exist_ok=True)
            page.write_text(wanted, encoding="utf-8")
            sys.stdout.write(f"wrote rules/{page.name}\n")


if __name__ == "__main__":
    main()
