"""Routing of the management interface: who asks, for what, and whether the role allows it.

Everything that is not here is answered 404 or 501 with a body that says so; nothing pretends to succeed.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from bigip_sm.lab.bigip import datagroups, rules, transactions, views
from bigip_sm.lab.bigip.accounts import Account, Accounts
from bigip_sm.lab.bigip.as3.service import Appsvcs
from bigip_sm.lab.bigip.calls import Call
from bigip_sm.lab.bigip.editing import Collection, data_groups, irules, perform
from bigip_sm.lab.bigip.objects import DataGroup, Rule
from bigip_sm.lab.bigip.replies import (
    Json,
    Refusal,
    authorization_required,
    not_emulated,
    parse_object,
    reply,
)
from bigip_sm.lab.bigip.rest_cm import ClusterApi
from bigip_sm.lab.bigip.rest_system import SystemApi
from bigip_sm.lab.bigip.system import System
from bigip_sm.lab.bigip.tokens import TokenStore
from bigip_sm.lab.bigip.transactions import Transactions
from bigip_sm.lab.bigip.views import Views
from bigip_sm.lab.http import Request, Response

COORDINATION = "X-F5-REST-Coordination-Id"
"""The header that puts an operation into a transaction."""


class ManagementApi:
    """``/mgmt`` of one emulated BIG-IP."""

    def __init__(
        self,
        system: System,
        accounts: Accounts,
        tokens: TokenStore,
        appsvcs: Appsvcs,
        cm: ClusterApi,
        queue: Transactions,
        shown: Views,
    ) -> None:
        self._config = system.config
        self._accounts = accounts
        self._tokens = tokens
        self._appsvcs = appsvcs
        self._transactions = queue
        own = SystemApi(system)
        groups = data_groups(system.config, system.folders, system.version_numbers)
        self._editable: dict[str, Collection[DataGroup] | Collection[Rule]] = {
            datagroups.COLLECTION: groups,
            rules.COLLECTION: irules(system.config, system.folders),
        }
        self._collections: dict[str, Callable[[Call], Json | None]] = {
            "/mgmt/shared/authz/tokens": self._authz_tokens,
            transactions.COLLECTION: queue.answer,
            "/mgmt/tm/sys/version": own.version,
            "/mgmt/tm/sys/folder": own.folder,
            "/mgmt/tm/sys/provision": own.provision,
            "/mgmt/tm/sys/config": own.config,
            "/mgmt/tm/sys": own.sys,
            "/mgmt/tm/auth/partition": own.partition,
            "/mgmt/tm/cli/version": own.cli_version,
            "/mgmt/tm/net/self": own.self_ips,
            "/mgmt/tm/cm/sync-status": cm.sync_status,
            "/mgmt/tm/cm/failover-status": cm.failover_status,
            "/mgmt/tm/cm/device-group": cm.device_group,
            "/mgmt/tm/cm/device": cm.device,
            "/mgmt/tm/cm": cm.command,
            views.POOLS: shown.pool,
            views.VIRTUALS: shown.virtual,
        }

    @property
    def collections(self) -> tuple[str, ...]:
        """The paths below which there are answers, but for AS3 and the login."""
        return (*self._editable, *self._collections)

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
        transaction = request.header(COORDINATION)
        if path == "/mgmt/shared/appsvcs" or path.startswith("/mgmt/shared/appsvcs/"):
            if transaction is not None:
                raise not_emulated(f"{request.path} in a transaction, which is for /mgmt/tm only,")
            return await self._appsvcs.handle(request, account)
        for collection, editable in self._editable.items():
            if _below(path, collection):
                return self._edit(editable, _call(request, account, path, collection), transaction)
        for collection, handle in self._collections.items():
            if _below(path, collection):
                if transaction is not None and request.method != "GET":
                    raise not_emulated(f"{request.method} {request.path} in a transaction")
                return _reply(handle(_call(request, account, path, collection)))
        raise Refusal(404, f"Public URI path not registered: {path}: not emulated by the lab")

    def _edit(
        self, collection: Collection[DataGroup] | Collection[Rule], call: Call, transaction: str | None
    ) -> Response:
        """Read or change objects, or queue the change; reads are never queued."""
        if call.method == "GET":
            return reply(collection.read(call))
        edit = collection.edit(call)
        if transaction is not None:
            return reply(self._transactions.queue(transaction, call, edit))
        return _reply(perform(self._config, edit))

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

    def _authz_tokens(self, call: Call) -> Json:
        if len(call.rest) != 1:
            raise call.not_emulated()
        token = self._tokens.own(call.rest[0], call.account)
        if call.method == "GET":
            return token.as_json()
        if call.method == "PATCH":
            return self._tokens.extend(token, call.body()).as_json()
        if call.method == "DELETE":
            self._tokens.delete(token)
            return token.as_json()
        raise not_emulated(f"{call.method} of a token")


def _below(path: str, collection: str) -> bool:
    return path == collection or path.startswith(f"{collection}/")


def _call(request: Request, account: Account, path: str, collection: str) -> Call:
    return Call(request, account, tuple(unquote(part) for part in path[len(collection) :].split("/") if part))


def _reply(body: Json | None) -> Response:
    return Response(200) if body is None else reply(body)
