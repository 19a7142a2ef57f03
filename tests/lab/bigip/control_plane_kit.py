"""A control plane that listens for real, a client that verifies it, and a declaration like the quickstart's."""

from __future__ import annotations

import base64
import contextlib
import copy
import functools
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from background_loop import BackgroundLoop

from bigip_sm.lab.bigip.accounts import Account
from bigip_sm.lab.bigip.cluster import Cluster, DeviceGroup
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.device import ControlPlane
from bigip_sm.lab.bigip.objects import Object, SslCertificate, SslKey
from bigip_sm.lab.pki import Authority, Issued, client_context, server_context

Json = dict[str, Any]

ADMIN = Account("admin", "admin-secret", "admin")
SECOND_ADMIN = Account("second", "second-secret", "admin")
ROTATOR = Account("rotator", "rotator-secret", "manager", ("bigip_sm",))
GUEST = Account("guest", "guest-secret", "guest")

RULE = """when CLIENT_ACCEPTED {
    set client [IP::client_addr]
}
when HTTP_REQUEST {
    if { [class lookup meta /bigip_sm/quickstart.chat] eq "" } {
        HTTP::respond 503 content "none"
        return
    }
    pool /quickstart/gateway/pool_llama
}
"""


@functools.lru_cache(maxsize=1)
def pki() -> tuple[Authority, Issued, ssl.SSLContext]:
    """One authority for all tests, a server certificate and a verifying client context."""
    authority = Authority.create("Lab CA")
    issued = authority.issue("bigip.lab", hosts=["127.0.0.1"])
    return authority, issued, client_context(authority.certificate_pem)


@dataclass
class Clock:
    """A clock that tests turn; epoch seconds."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Box:
    """A running control plane and a client for it, as the administrator with Basic."""

    plane: ControlPlane
    config: Config
    clock: Clock
    client: httpx.Client
    loop: Loop
    port: int

    def request(self, method: str, path: str, *, user: Account | None = ADMIN, **more: Any) -> httpx.Response:
        """One request; ``user`` None sends no credentials."""
        auth = None if user is None else (user.name, user.password)
        return self.client.request(method, path, auth=auth, **more)

    def login(self, account: Account) -> str:
        """A token."""
        body = {"username": account.name, "password": account.password, "loginProviderName": "tmos"}
        answer = self.request("POST", "/mgmt/shared/authn/login", user=None, json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"]["token"])

    def declare(self, declaration: Json, **parameters: str) -> httpx.Response:
        """POST a declaration."""
        return self.request("POST", "/mgmt/shared/appsvcs/declare", json=declaration, params=parameters)

    def deploy(self, declaration: Json) -> None:
        """POST a declaration that must succeed."""
        answer = self.declare(declaration)
        assert answer.status_code == 200, answer.text

    def configured(self) -> list[Object]:
        """Every object but what AS3 keeps for itself."""
        own = ("/Common/appsvcs/", "/Common/____appsvcs_declaration-")
        return [found for found in self.config.below("/") if not found.path.startswith(own)]

    def make_credentials(self) -> None:
        """The partition and the data group that the quickstart's rule names."""
        assert self.request("POST", "/mgmt/tm/auth/partition", json={"name": "bigip_sm"}).status_code == 200
        body = {"name": "quickstart.chat", "partition": "bigip_sm", "type": "string"}
        assert self.request("POST", "/mgmt/tm/ltm/data-group/internal", json=body).status_code == 200


@dataclass
class Pair:
    """Two boxes and the cluster that they form."""

    a: Box
    b: Box
    cluster: Cluster


def start(schema: Path | None = None, **more: Any) -> Iterator[Box]:
    """A box on a free port, stopped at the end; ``more`` goes to its control plane."""
    with Loop() as background:
        yield from _start(background, Clock(), schema, **more)


def start_pair(*groups: DeviceGroup, delay: float = 0.02) -> Iterator[Pair]:
    """Two boxes in a cluster."""
    with Loop() as background:
        first = contextlib.contextmanager(_start)(background, clock := Clock(), None, hostname="bigip-a.lab")
        with first as a, contextlib.contextmanager(_start)(background, clock, None, hostname="bigip-b.lab") as b:
            cluster = Cluster((a.plane.unit, b.plane.unit), groups, delay=delay)
            yield Pair(a, b, cluster)
            background.call(cluster.stop)


class Loop(BackgroundLoop):
    """A background loop as a context manager."""

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in the loop's thread."""

        async def called() -> None:
            function()

        self.run(called())


def _start(background: Loop, clock: Clock, schema: Path | None, **more: Any) -> Iterator[Box]:
    authority, issued, trust = pki()
    config = Config()
    seeds = [SslCertificate("/Common/ca-bundle.crt", authority.certificate_pem)]
    seeds += [SslCertificate("/Common/clients-ca.crt", authority.certificate_pem)]
    seeds += [SslCertificate("/Common/models.crt", issued.certificate_pem)]
    config.commit(put=[*seeds, SslKey("/Common/models.key", issued.key_pem)])
    accounts = [ADMIN, SECOND_ADMIN, ROTATOR, GUEST]
    tls = server_context(issued)
    plane = ControlPlane(config, accounts=accounts, tls=tls, schema=schema, clock=clock, **more)
    port = background.run(plane.start())
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, trust_env=False, timeout=10) as client:
        yield Box(plane, config, clock, client, background, port)
    background.run(plane.stop())


def official_schema() -> Path:
    """F5's schema file; skips without it, except in CI, where that is a failure."""
    path = os.environ.get("BIGIP_SM_AS3_SCHEMA")
    if path:
        return Path(path)
    if os.environ.get("CI") == "true":
        pytest.fail("BIGIP_SM_AS3_SCHEMA must name F5's AS3 schema in CI")
    pytest.skip("BIGIP_SM_AS3_SCHEMA does not name F5's AS3 schema")


def encoded(rule: str) -> Json:
    """An iRule item as the product renders it."""
    return {"class": "iRule", "expand": False, "iRule": {"base64": base64.b64encode(rule.encode()).decode()}}


_TLS = {
    "cipherGroup": {"bigip": "/Common/f5-default"},
    "sslEnabled": False,
    "ssl3Enabled": False,
    "tls1_0Enabled": False,
    "tls1_1Enabled": False,
    "tls1_2Enabled": True,
    "tls1_3Enabled": True,
}
_HOST = "runtime.sagemaker.us-east-1.amazonaws.com"
_QUICKSTART: Json = {
    "class": "ADC",
    "schemaVersion": "3.50.0",
    "id": "quickstart",
    "label": "quickstart",
    "updateMode": "selective",
    "quickstart": {
        "class": "Tenant",
        "gateway": {
            "class": "Application",
            "template": "generic",
            "listener_public": {
                "class": "Service_HTTPS",
                "remark": "ml-platform@example.com",
                "virtualAddresses": ["10.20.0.10"],
                "virtualPort": 443,
                "redirect80": False,
                "persistenceMethods": [],
                "snat": "auto",
                "profileTCP": {"ingress": {"use": "tcp_client"}, "egress": {"use": "tcp_aws_public"}},
                "profileHTTP": {"use": "http"},
                "profileMultiplex": {"use": "one_connect"},
                "serverTLS": "tls_public",
                "clientTLS": "tls_runtime_us_east_1",
                "iRules": ["irule_public"],
            },
            "irule_public": encoded(RULE),
            "tls_public": {
                "class": "TLS_Server",
                "certificates": [{"certificate": "cert_public"}],
                **_TLS,
                "renegotiationEnabled": False,
                "authenticationMode": "request",
                "authenticationTrustCA": "clients_ca_public",
            },
            "cert_public": {
                "class": "Certificate",
                "certificate": {"bigip": "/Common/models.crt"},
                "privateKey": {"bigip": "/Common/models.key"},
            },
            "clients_ca_public": {"class": "CA_Bundle", "bundle": {"bigip": "/Common/clients-ca.crt"}},
            "tls_runtime_us_east_1": {
                "class": "TLS_Client",
                "sendSNI": _HOST,
                "serverName": _HOST,
                "validateCertificate": True,
                "trustCA": "generic",
                **_TLS,
            },
            "http": {
                "class": "HTTP_Profile",
                "xForwardedFor": False,
                "enforceRFCCompliance": True,
                "pipelineAction": "reject",
                "unknownMethodAction": "reject",
                "knownMethods": ["GET", "POST"],
                "serverHeaderValue": "none",
                "requestChunking": "sustain",
                "responseChunking": "sustain",
            },
            "one_connect": {"class": "Multiplex_Profile", "maxConnectionAge": 300},
            "tcp_client": {"class": "TCP_Profile", "idleTimeout": 130},
            "tcp_aws_public": {"class": "TCP_Profile", "idleTimeout": 130, "synRtoBase": 500, "synMaxRetrans": 2},
            "monitor_runtime": {
                "class": "Monitor",
                "monitorType": "https",
                "clientTLS": {"use": "tls_runtime_us_east_1"},
                "send": "GET /ping HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n",
                "receive": "HTTP/1.",
            },
            "pool_llama": {
                "class": "Pool",
                "monitors": [{"use": "monitor_runtime"}],
                "loadBalancingMode": "least-connections-member",
                "members": [
                    {
                        "addressDiscovery": "fqdn",
                        "hostname": "vpce-0a1b.runtime.sagemaker.us-east-1.vpce.amazonaws.com",
                        "fqdnPrefix": "quickstart-",
                        "autoPopulate": True,
                        "servicePort": 443,
                    }
                ],
            },
            "access": {
                "class": "Data_Group",
                "storageType": "internal",
                "keyDataType": "string",
                "records": [{"key": "churn|staff:alice", "value": "1"}, {"key": "chat|staff:", "value": "1"}],
            },
            "networks_batch": {
                "class": "Data_Group",
                "keyDataType": "ip",
                "records": [{"key": "10.30.0.0/16", "value": "nightly-batch"}],
            },
        },
    },
}


def quickstart() -> Json:
    """A declaration of the classes that the product renders, free to change."""
    return copy.deepcopy(_QUICKSTART)


def small(tenant: str = "T", **items: Json) -> Json:
    """A declaration of one tenant with one application ``A`` that holds ``items``."""
    application = {"class": "Application", **items}
    return {"class": "ADC", "schemaVersion": "3.50.0", "id": "small", tenant: {"class": "Tenant", "A": application}}


def group(*records: tuple[str, str], kind: str = "string") -> Json:
    """A Data_Group item."""
    listed = [{"key": key, "value": value} for key, value in records]
    return {"class": "Data_Group", "keyDataType": kind, "records": listed}


def service(**changes: Any) -> Json:
    """A Service_HTTPS item with AS3's defaults where the lab emulates them."""
    base = {"class": "Service_HTTPS", "virtualAddresses": ["10.0.0.1"], "redirect80": False, "persistenceMethods": []}
    return {**base, **changes}
