"""Whatever is sent, the control plane answers: no uncaught error, and nothing half done."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from typing import Any

import pytest
from control_plane_kit import ADMIN, Clock, encoded, group, pki, service, small

from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.device import ControlPlane
from bigip_sm.lab.http import Request
from bigip_sm.lab.pki import server_context

PATHS = (
    *("/mgmt/shared/authn/login", "/mgmt/shared/authz/tokens/x", "/mgmt/tm/transaction", "/mgmt/tm/transaction/1"),
    *("/mgmt/tm/transaction/1/commands/1", "/mgmt/tm/sys", "/mgmt/tm/sys/version", "/mgmt/tm/sys/config"),
    *("/mgmt/tm/sys/folder", "/mgmt/tm/sys/folder/~T", "/mgmt/tm/auth/partition", "/mgmt/tm/auth/partition/T"),
    *("/mgmt/tm/sys/provision/ltm", "/mgmt/tm/cli/version", "/mgmt/tm/net/self", "/mgmt/tm/cm", "/mgmt/tm/cm/device"),
    *("/mgmt/tm/cm/sync-status", "/mgmt/tm/cm/device-group/x/devices", "/mgmt/tm/ltm/rule", "/mgmt/tm/ltm/rule/~T~A~r"),
    *("/mgmt/tm/ltm/data-group/internal", "/mgmt/tm/ltm/data-group/internal/~T~A~dg", "/mgmt/tm/ltm/pool/~T~A~p"),
    *("/mgmt/tm/ltm/pool/~T~A~p/members/~T~10.0.0.1:80/stats", "/mgmt/tm/ltm/virtual/~T~A~vs/profiles"),
    *("/mgmt/shared/appsvcs/info", "/mgmt/shared/appsvcs/declare", "/mgmt/shared/appsvcs/declare/T"),
    *("/mgmt/shared/appsvcs/declare/T/applications", "/mgmt/shared/appsvcs/declare/T/applications/A"),
    *("/mgmt/shared/appsvcs/settings", "/mgmt/shared/appsvcs/task", "/mgmt/shared/appsvcs/task/x", "/", "/%ff~/~"),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
NAMES = (
    *("name", "partition", "subPath", "type", "records", "data", "description", "apiAnonymous", "state", "command"),
    *("utilCmdArgs", "validateOnly", "evalOrder", "class", "action", "declaration", "patchBody", "op", "path", "from"),
    *("value", "controls", "dryRun", "persist", "syncToGroup", "historyLimit", "schemaVersion", "id", "target", "T"),
    *("A", "dg", "deviceGroup", "trafficGroup", "timeout", "username", "password", "loginProviderName", "updateMode"),
)
WORDS = (
    *("", "T", "/T/A/dg", "string", "ip", "integer", "save", "run", "VALIDATING", "AS3", "ADC", "Tenant", "patch"),
    *(
        "add",
        "remove",
        "move",
        "retrieve",
        "redeploy",
        "config-sync to-group x",
        "Application",
        "Pool",
        "\x00",
        "é",
        "~",
    ),
    *("3.50.0", "none", "true", "[0-", "{", "/T/A/dg/records/0", "complete", "selective"),
)
QUERIES = (
    *("", "async=true", "show=full", "age=list", "age=3", "showHash=true", "filterClass=Pool", "unchecked=true"),
    *("options=records+add+%7Ba%7D", "options=%22", "$select=name", "$filter=partition+eq+T", "ver=1", "%ff=%ff"),
    *("controls.dryRun=true&controls.logLevel=debug&controls.traceResponse=true", "&&=&", "a=b"),
)


def noise(generator: random.Random, depth: int = 3) -> Any:
    """A JSON value of words that mean something here and there."""
    kind = generator.randrange(9 if depth else 5)
    if kind < 2:
        return generator.choice(WORDS)
    if kind < 5:
        return generator.choice((None, True, False, 0, -1, 1.5, 10**20))
    if kind < 7:
        return [noise(generator, depth - 1) for _ in range(generator.randrange(4))]
    return {generator.choice(NAMES): noise(generator, depth - 1) for _ in range(generator.randrange(5))}


def damaged(generator: random.Random, declaration: Any) -> Any:
    """A good declaration with one value somewhere replaced."""
    node = changed = copy.deepcopy(declaration)
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = generator.choice(keys)
        if isinstance(node[key], (dict, list)) and node[key] and generator.random() < 0.8:
            node = node[key]
            continue
        node[key] = noise(generator, 1)
        return changed


@pytest.mark.parametrize("seed", range(4))
def test_any_request_is_answered(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    generator = random.Random(seed)  # noqa: S311 - to repeat what failed
    pool = {"class": "Pool", "members": [{"servicePort": 80, "serverAddresses": ["10.0.0.1"]}]}
    items = {"dg": group(("a", "1")), "r": encoded("when HTTP_REQUEST { HTTP::respond 200 }"), "p": pool}
    declaration = small("T", **items, vs=service(iRules=["r"], pool="p"))
    plane = ControlPlane(Config(), accounts=[ADMIN], tls=server_context(pki()[1]), schema=None, clock=Clock())
    authorization = (b"Authorization", b"Basic YWRtaW46YWRtaW4tc2VjcmV0")

    async def send(method: str, path: str, query: str, body: bytes) -> int:
        headers = [authorization]
        if generator.random() < 0.1:
            headers.append((b"X-F5-REST-Coordination-Id", generator.choice((b"1", b"x", b"1790000000000000"))))
        target = f"{path}?{query}".encode("latin-1", "replace")
        answer = await plane.handle(Request(method, target, headers, body, None, ("127.0.0.1", 1)))
        return answer.status

    async def attack() -> list[tuple[int, str, str, bytes]]:
        found = []
        for _ in range(300):
            method, path, query = generator.choice(METHODS), generator.choice(PATHS), generator.choice(QUERIES)
            body = json.dumps(noise(generator)).encode() if generator.random() < 0.9 else generator.randbytes(20)
            found.append((await send(method, path, query, body), method, f"{path}?{query}", body))
        for _ in range(150):
            body = json.dumps(damaged(generator, declaration)).encode()
            found.append((await send("POST", "/mgmt/shared/appsvcs/declare", "", body), "POST", "declare", body))
        await plane.appsvcs.stop()
        return found

    found = asyncio.run(attack())
    assert [each for each in found if each[0] == 500] == []
    assert {status for status, *_ in found} >= {200, 400, 404, 422, 501}
    assert "failed in the lab itself" not in caplog.text
