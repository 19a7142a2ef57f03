"""``redirect_http``: port 80 of a listener leads to https, and to nothing else."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_kit import INVOKE, QUICKSTART, Gateway, running_gateway

from bigip_sm.lab.files import private_file


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The quickstart, whose listener redirects."""
    directory = tmp_path_factory.mktemp("redirect")
    text = QUICKSTART.read_text("utf-8")
    changed = text.replace("    port: 443\n", "    port: 443\n    redirect_http: true\n")
    assert changed != text
    spec_file: Path = directory / "gateway.yaml"
    private_file(spec_file, changed)
    with running_gateway(spec_file, directory) as running:
        yield running


@pytest.mark.parametrize("host", ["models.example.com", "models.example.com:80", "models.example.com:8080"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_port_80_leads_to_https_and_nothing_reaches_aws(gateway: Gateway, host: str, method: str) -> None:
    before = len(gateway.seen())
    connection = http.client.HTTPConnection(*gateway.lab.network.resolve("10.20.0.10", 80), timeout=15)
    connection.request(method, INVOKE + "?a=b", b"{}" if method == "POST" else None, {"Host": host})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (302, f"https://models.example.com{INVOKE}?a=b")
    assert answer.read() == b""
    connection.close()
    assert len(gateway.seen()) == before


def test_https_serves_as_before(gateway: Gateway) -> None:
    assert gateway.ask(INVOKE).status == 200


def test_without_it_nobody_listens_on_port_80(tmp_path: Path) -> None:
    with running_gateway(QUICKSTART, tmp_path, rotated=False) as plain, pytest.raises(ConnectionRefusedError):
        plain.lab.network.resolve("10.20.0.10", 80)
