"""Routing of the management interface: who asks, for what, and whether the role allows it.

Everything that is not here is answered 404 or 501 with a body that says so; nothing pretends to succeed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from bigip_sm.lab.bigip import datagroups, partitions
from bigip_sm.lab.bigip.accounts import Account, Accounts
from bigip_sm.lab.bigip.as3.service import Appsvcs
from bigip_sm.lab.bigip.checks import TransactionError, check
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.bigip.partitions import Folders
from bigip_sm.lab.bigip.replies import (
    Json,
    Refusal,
    authorization_required,
    icrd_refusal,
    not_emulated,
    parse_object,
    reply,
)
from bigip_sm.lab.bigip.tokens import TokenStore
from bigip_sm.lab.http import Request, Response

TMOS_VERSION = "17.1.2"
"""The version that ``sys version`` reports."""

_FILTER = re.compile(r"partition eq '?([A-Za-z0-9_.-]+)'?")


@dataclass
class Call:
    """One authenticated request: ``rest`` are the decoded path segments after the collection."""

    request: Request
    account: Account
    rest: tuple[str, ...]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method

    def body(self) -> Json:
        """The JSON object sent. Raises Refusal (400)."""
        return parse_object(self.request.body)

    def parameters(self, *known: str) -> dict[str, str]:
        """The query parameters. Raises Refusal (501) for one that is not in ``known``."""
        found = dict(parse_qsl(self.request.query, keep_blank_values=True))
        for name in found:
            if name not in (*known, "ver"):
                raise not_emulated(f"query parameter {name} of {self.method} {self.request.path}")
        return found


class ManagementApi:
    """``/mgmt`` of one emulated BIG-IP."""

    def __init__(
        self, config: Config, folders: Folders, accounts: Accounts, tokens: TokenStore, appsvcs: Appsvcs
    ) -> None:
        self._config = config
        self._folders = folders
        self._accounts = accounts
        self._tokens = tokens
        self._appsvcs = appsvcs
        self._collections: dict[str, Callable[[Call], Response]] = {
            "/mgmt/shared/authz/tokens": self._authz_tokens,
            "/mgmt/tm/sys/version": self._sys_version,
            "/mgmt/tm/sys/folder": self._sys_folder,
            "/mgmt/tm/sys": self._sys,
            "/mgmt/tm/auth/partition": self._auth_partition,
            "/mgmt/tm/ltm/data-group/internal": self._data_group,
        }

    async def handle(self, request: Request) -> Response:
        """Answer one request; every refusal becomes its answer."""
        try:
            return await self._answer(request)
        except Refusal as refusal:
            return refusal.response()

    async def _answer(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if path == "/mgmt/shared/authn/login":
            return self._login(request)
        account = self._authenticate(request)
        if account is None:
            return authorization_required()
        if path == "/mgmt/shared/appsvcs" or path.startswith("/mgmt/shared/appsvcs/"):
            return await self._appsvcs.handle(request, account)
        for collection, handle in self._collections.items():
            if path == collection or path.startswith(f"{collection}/"):
                rest = tuple(unquote(part) for part in path[len(collection) :].split("/") if part)
                return handle(Call(request, account, rest))
        raise Refusal(404, f"Public URI path not registered: {path}: not emulated by the lab")

    def _authenticate(self, request: Request) -> Account | None:
        """The caller; None without credentials that Apache takes. Raises Refusal (401) for a bad token."""
        token = request.header("X-F5-Auth-Token")
        if token is not None:
            return self._tokens.authenticate(token)
        return self._accounts.basic(request.header("Authorization") or "")

    def _login(self, request: Request) -> Response:
        if request.method != "POST":
            raise not_emulated(f"{request.method} {request.path}")
        body = parse_object(request.body)
        name, password, provider = (body.get(key) for key in ("username", "password", "loginProviderName"))
        if not isinstance(name, str) or not isinstance(password, str):
            raise Refusal(400, "username and password must be specified")
        if provider != "tmos":
            raise Refusal(400, "loginProviderName is invalid.")
        account = self._accounts.check(name, password)
        if account is None:
            raise Refusal(401, "Authentication failed.", restOperationId=0, kind=":resterrorresponse")
        token = self._tokens.issue(account)
        return reply({"username": name, "loginProviderName": "tmos", "token": token.as_json(), "generation": 0})

    def _authz_tokens(self, call: Call) -> Response:
        if len(call.rest) != 1:
            raise not_emulated(f"{call.method} {call.request.path}")
        token = self._tokens.own(call.rest[0], call.account)
        if call.method == "GET":
            return reply(token.as_json())
        if call.method == "PATCH":
            return reply(self._tokens.extend(token, call.body()).as_json())
        if call.method == "DELETE":
            self._tokens.delete(token)
            return reply(token.as_json())
        raise not_emulated(f"{call.method} of a token")

    def _sys(self, call: Call) -> Response:
        """The bare collection, which f5-sdk reads for the version in its link."""
        if call.method != "GET" or call.rest:
            raise not_emulated(f"{call.method} {call.request.path}", 404 if call.rest else 501)
        link = f"https://localhost/mgmt/tm/sys?ver={TMOS_VERSION}"
        return reply({"kind": "tm:sys:syscollectionstate", "selfLink": link, "items": []})

    def _sys_version(self, call: Call) -> Response:
        if call.method != "GET" or call.rest:
            raise not_emulated(f"{call.method} {call.request.path}")
        shown = {
            "Product": "BIG-IP",
            "Title": "Main Package",
            "Version": TMOS_VERSION,
            "Build": "0.0.0",
            "Edition": "Lab",
        }
        entries = {name: {"description": value} for name, value in shown.items()}
        stats = {"https://localhost/mgmt/tm/sys/version/0": {"nestedStats": {"entries": entries}}}
        link = f"https://localhost/mgmt/tm/sys/version?ver={TMOS_VERSION}"
        return reply({"kind": "tm:sys:version:versionstats", "selfLink": link, "entries": stats})

    def _auth_partition(self, call: Call) -> Response:
        _administrator(call)
        call.parameters()
        if call.method == "GET" and not call.rest:
            found = [self._folders.get(f"/{name}") for name in self._folders.partitions()]
            kind = "tm:auth:partition:partitioncollectionstate"
            return reply({"kind": kind, "items": [partitions.partition_json(folder) for folder in found]})
        if call.method == "GET" and len(call.rest) == 1:
            return reply(partitions.partition_json(self._folders.get(f"/{call.rest[0]}")))
        if call.method == "POST" and not call.rest:
            name, description = partitions.parse_partition(call.body())
            return reply(partitions.partition_json(self._folders.add_partition(name, description)))
        raise not_emulated(f"{call.method} {call.request.path}")

    def _sys_folder(self, call: Call) -> Response:
        _administrator(call)
        call.parameters()
        if call.method == "GET" and not call.rest:
            items = [partitions.folder_json(folder) for folder in self._folders.all()]
            return reply({"kind": "tm:sys:folder:foldercollectionstate", "items": items})
        if len(call.rest) == 1 and call.method in ("GET", "PATCH"):
            path = _full_path(call.rest[0])
            found = self._folders.change(path, call.body()) if call.method == "PATCH" else self._folders.get(path)
            return reply(partitions.folder_json(found))
        raise not_emulated(f"{call.method} {call.request.path}")

    def _data_group(self, call: Call) -> Response:
        if len(call.rest) > 1:
            raise not_emulated(f"{call.method} {call.request.path}", 404)
        if call.rest:
            return self._one_data_group(call, _full_path(call.rest[0]))
        if call.method == "GET":
            return self._list_data_groups(call)
        if call.method != "POST":
            raise not_emulated(f"{call.method} {call.request.path}")
        call.parameters()
        group = datagroups.created(call.body())
        folder, _, _ = group.path.rpartition("/")
        _may_change(call, group.path)
        self._folders.get(folder)
        if self._config.get(DataGroup, group.path) is not None:
            partition = group.path.split("/")[1]
            message = f"01020066:3: The requested value list ({group.path}) already exists in partition {partition}."
            raise icrd_refusal(409, message)
        self._config.commit(put=[group])
        return reply(datagroups.to_json(group))

    def _list_data_groups(self, call: Call) -> Response:
        """The collection: what the role lets the caller see, narrowed by ``$filter=partition eq NAME``."""
        wanted = call.parameters("$filter").get("$filter")
        match = _FILTER.fullmatch(wanted) if wanted is not None else None
        if wanted is not None and match is None:
            raise not_emulated(f"$filter={wanted}")
        items = []
        for group in self._config.all(DataGroup):
            partition = group.path.split("/")[1]
            if call.account.manages(partition) and (match is None or match[1] == partition):
                items.append(datagroups.to_json(group))
        listed: dict[str, Any] = {"kind": "tm:ltm:data-group:internal:internalcollectionstate"}
        return reply({**listed, "items": items} if items else listed)

    def _one_data_group(self, call: Call, path: str) -> Response:
        call.parameters()
        _may_change(call, path)
        group = self._config.get(DataGroup, path)
        if group is None:
            raise icrd_refusal(404, f"01020036:3: The requested value list ({path}) was not found.")
        if call.method == "DELETE":
            self._delete(group)
            return Response(200)
        if call.method in ("PATCH", "PUT"):
            change = datagroups.patched if call.method == "PATCH" else datagroups.replaced
            group = change(group, call.body())
            self._config.commit(put=[group])
        elif call.method != "GET":
            raise not_emulated(f"{call.method} of a data group")
        return reply(datagroups.to_json(group))

    def _delete(self, group: DataGroup) -> None:
        try:
            check(self._config, delete=[group])
        except TransactionError as error:
            raise icrd_refusal(400, str(error)) from error
        self._config.commit(delete=[group])


def _full_path(segment: str) -> str:
    """``~bigip_sm~x`` -> ``/bigip_sm/x``; a bare name is in Common."""
    return segment.replace("~", "/") if segment.startswith("~") else f"/Common/{segment}"


def _administrator(call: Call) -> None:
    """Raises Refusal (403) unless the caller is an administrator."""
    if not call.account.administrator:
        raise icrd_refusal(403, f"01070822:3: Access Denied: User ({call.account.name}) may not access this object")


def _may_change(call: Call, path: str) -> None:
    """Raises Refusal (403) unless the caller's role holds for the partition of ``path``."""
    partition = path.split("/")[1]
    if not call.account.manages(partition):
        message = (
            f"01070822:3: Access Denied: User ({call.account.name}) may not access objects in partition ({partition})"
        )
        raise icrd_refusal(403, message)
