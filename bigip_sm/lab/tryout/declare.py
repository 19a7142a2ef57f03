"""Trying an arbitrary AS3 declaration: what a fresh BIG-IP answers to it, and what it then has."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.as3.apply import kind
from bigip_sm.lab.bigip.as3.service import Appsvcs
from bigip_sm.lab.bigip.builtin import builtin_objects
from bigip_sm.lab.bigip.cluster import Unit
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup, Object, SslCertificate, SslKey, VirtualServer
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import Refusal
from bigip_sm.lab.bigip.rest_cm import ClusterApi
from bigip_sm.lab.bigip.system import DEFAULT_VERSION, System
from bigip_sm.lab.http import Request
from bigip_sm.lab.pki import Authority
from bigip_sm.lab.tryout.inputs import Group

_ADMIN = Account("admin", "", "admin")
_TARGET = b"/mgmt/shared/appsvcs/declare"


@dataclass(frozen=True)
class Made:
    """An object of the device: its name in TMSH, its path, and for a virtual server where it listens."""

    kind: str
    path: str
    detail: str


@dataclass(frozen=True)
class Declared:
    """The status and body with which AS3 answers, and what is on the device afterwards besides what it began with."""

    status: int
    body: dict[str, Any]
    objects: tuple[Made, ...]

    @property
    def accepted(self) -> bool:
        """Whether every tenant was deployed."""
        return self.status == 200


def declare(body: bytes, groups: Sequence[Group], certificates: Sequence[str], schema: Path | None) -> Declared:
    """POST ``body`` to AS3 on a BIG-IP that has what it is shipped with, ``groups``, and ``certificates``.

    Of the latter each is a path for which a certificate ``.crt`` and a key ``.key`` are made. ``schema`` is F5's AS3
    schema; without it only the structure of the emulated classes is checked. Raises LabError for a data group or
    certificate without a full path, SchemaError if the schema cannot be read.
    """
    return asyncio.run(_declare(body, groups, certificates, schema))


async def _declare(body: bytes, groups: Sequence[Group], certificates: Sequence[str], schema: Path | None) -> Declared:
    config, folders = Config(), Folders()
    for path in (*(group.name for group in groups), *certificates):
        _ensure_folder(path, folders)
    objects = [DataGroup(group.name, group.type, group.records) for group in groups]
    config.commit(put=[*builtin_objects(), *objects, *_certificates(["/Common/default", *certificates])])
    before = {(type(each), each.path) for each in config.objects()}
    system = System(config, folders, hostname="bigip.lab", version=DEFAULT_VERSION, provisioned=("ltm",))
    appsvcs = Appsvcs(system, schema, time.time, ClusterApi(Unit(system)).sync_to)
    try:
        answer = await appsvcs.handle(Request("POST", _TARGET, [], body, None, ("127.0.0.1", 0)), _ADMIN)
        assert isinstance(answer.body, bytes)  # noqa: S101 - narrows the type: AS3 streams nothing
        status, told = answer.status, json.loads(answer.body)
    except Refusal as refusal:
        status, told = refusal.status, refusal.body
    finally:
        await appsvcs.stop()
    new = [each for each in config.objects() if (type(each), each.path) not in before and _shown(each)]
    return Declared(status, told, tuple(Made(kind(each), each.path, _detail(each)) for each in new))


def _certificates(paths: Sequence[str]) -> list[Object]:
    """Certificates and keys of an authority that nobody knows, and the bundle of CAs that TMOS is shipped with."""
    authority = Authority.create("bigip-sm lab")
    made: list[Object] = [SslCertificate("/Common/ca-bundle.crt", authority.certificate_pem)]
    for path in paths:
        stem = path.removesuffix(".crt").removesuffix(".key")
        pair = authority.issue(stem.rpartition("/")[2], hosts=["lab.example.com"])
        made += [SslCertificate(f"{stem}.crt", pair.certificate_pem), SslKey(f"{stem}.key", pair.key_pem)]
    return made


def _ensure_folder(path: str, folders: Folders) -> None:
    folder, _, name = path.rpartition("/")
    if not path.startswith("/") or not (folder and name):
        raise LabError(f"{path}: write its full path, such as /Common/{path.lstrip('/')}")
    folders.ensure(folder)


def _shown(each: Object) -> bool:
    """AS3's own records are nobody's business here."""
    return "____appsvcs" not in each.path and not each.path.startswith("/Common/appsvcs/")


def _detail(each: Object) -> str:
    if isinstance(each, VirtualServer):
        return f"{each.address}:{each.port}"
    return f"{len(each.records)} records" if isinstance(each, DataGroup) else ""
