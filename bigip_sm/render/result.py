"""What rendering yields, and the texts that are written from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class DataGroupSpec:
    """One data group that the iRules read.

    ``path`` is its full path on the BIG-IP and ``type`` what its keys are. The groups of owner ``as3`` are in the
    declaration, and ``keys`` lists their records in the order of the declaration; the others
    (written by the rotator and by ``bigip-sm weights``) must exist
    before the declaration is posted, because TMOS refuses an iRule that names a missing data group, and ``format`` says
    what their records look like.
    """

    path: str
    type: Literal["string", "ip"]
    owner: Literal["as3", "rotator", "apply", "weights"]
    purpose: str
    records: int = 0
    keys: tuple[str, ...] = ()
    format: str = ""


@dataclass(frozen=True)
class Rendered:
    """A rendered gateway.

    ``declaration`` is an AS3 declaration of class ADC, ``irules`` the readable text of each listener's iRule by name of
    the listener (the declaration carries the same text in base64), ``data_groups`` every data group they read.
    """

    declaration: dict[str, Any]
    irules: Mapping[str, str]
    data_groups: tuple[DataGroupSpec, ...]


def declaration_text(rendered: Rendered) -> str:
    """The declaration as JSON: keys sorted, indented by 2, ASCII, with a final newline.

    AS3 gives the order of keys no meaning; lists keep theirs.
    """
    return json.dumps(rendered.declaration, indent=2, sort_keys=True) + "\n"


def manifest_text(rendered: Rendered) -> str:
    """The list of data groups as JSON: who owns each of them, and what for."""
    return json.dumps([asdict(group) for group in rendered.data_groups], indent=2) + "\n"


def files(rendered: Rendered) -> dict[str, str]:
    """The texts to write below one directory: relative name with ``/`` -> text."""
    return {
        "declaration.json": declaration_text(rendered),
        "data-groups.json": manifest_text(rendered),
        **{f"irules/{listener}.tcl": text for listener, text in rendered.irules.items()},
    }
