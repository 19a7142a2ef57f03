"""The lab's identity providers: the rotator gets their keys over the network, and their tokens are good."""

from __future__ import annotations

import shlex
import ssl
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from callers_kit import SPEC, bearing
from gateway_kit import Answer, Client, Gateway, running_gateway

from bigip_sm.commands.lab import curl_calls
from bigip_sm.spec.names import jwks_group
from bigip_sm.spec.principals import Principals


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Rotated in one go: credentials, and the keys of both issuers."""
    folder = tmp_path_factory.mktemp("issuers")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as running:
        yield running


def ask(gateway: Gateway, token: str, path: str) -> Answer:
    with Client(gateway.lab, None) as client:
        return bearing(client, token, path)


def test_the_rotator_fetches_the_keys_of_every_issuer(gateway: Gateway) -> None:
    with gateway.stage.device.connect("rotator") as device:
        records = device.data_group(jwks_group("callers")).records
    assert {record.name.partition("/")[0] for record in records} == {"cloud", "realm"}


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/open", Principals("realm", "any")),
        ("/groups", Principals("cloud", "group", "Data Science")),
        ("/groups", Principals("cloud", "subject", "dora")),
        ("/scopes", Principals("cloud", "scope", "models.invoke")),
        ("/scopes", Principals("realm", "scope", "models.invoke")),
        ("/agents", Principals("cloud", "class", "agent")),
        ("/agents", Principals("realm", "class", "human")),
    ],
)
def test_a_token_opens_what_its_entry_opens(gateway: Gateway, path: str, entry: Principals) -> None:
    assert ask(gateway, gateway.lab.issuers.token_for(entry), path).verdict == "200"


def test_a_token_of_one_issuer_is_none_of_the_other(gateway: Gateway) -> None:
    cloud, realm = (gateway.lab.issuers.by_name[name] for name in ("cloud", "realm"))
    assert ask(gateway, cloud.token("alice", claims={"iss": realm.identity.issuer}), "/open").reason == "jwt-signature"


def test_the_printed_curl_lines_open_every_route_that_a_token_opens(gateway: Gateway) -> None:
    calls = dict(curl_calls(gateway.lab, gateway.stage.spec))
    assert list(calls) == ["open", "groups", "scopes", "agents"]
    done = subprocess.run(
        shlex.split(shlex.join([*calls["scopes"], "--fail-with-body", "--silent"])),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_proxy_leads_nowhere_but_into_the_lab(gateway: Gateway) -> None:
    proxy = gateway.lab.rotator_environment()["HTTPS_PROXY"]
    assert proxy.startswith("http://127.0.0.1:")
    tls = str(gateway.lab.ca_file)
    with httpx.Client(proxy=proxy, verify=_trusting(tls), trust_env=False, timeout=10) as client:
        assert client.get("https://idp.example.com/oauth2/default/v1/keys").json()["keys"]
        assert client.get("https://idp.example.com/another/path").status_code == 404
        with pytest.raises(httpx.ProxyError):
            client.get("https://somewhere.example.com/")
        with pytest.raises(httpx.ProxyError):
            client.get("https://127.0.0.1:22/")
    with httpx.Client(proxy=proxy, trust_env=False, timeout=10) as client:
        assert client.get("http://idp.example.com/").status_code == 405


def _trusting(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)
