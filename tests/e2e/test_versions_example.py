"""The versions of declarations/multi-region, as docs/versions.md walks through them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from gateway_kit import CHAT, Answer, Gateway, running_gateway
from regions_spec import SPEC

from bigip_sm.commands.main import cli

ASK = b'{"model":"","messages":[{"role":"user","content":"Hello"}]}'
OLD, NEXT = "llama-3-3-70b-v3", "llama-3-3-70b-v4"
CALLERS = [f"caller{number}" for number in range(16)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(SPEC, tmp_path_factory.mktemp("versions")) as running:
        yield running


def ask(gateway: Gateway, subject: str, version: str | None = None) -> Answer:
    headers = () if version is None else (("X-Gateway-Version", version),)
    with gateway.client(subject) as client:
        return client.request(CHAT, ASK, headers)


def endpoints(gateway: Gateway) -> dict[str, str]:
    """Caller -> the endpoint that answered it."""
    found = {}
    for caller in CALLERS:
        assert ask(gateway, caller).status == 200
        found[caller] = gateway.seen()[-1].target.decode().split("/")[2]
    return found


def weights(gateway: Gateway, *words: str) -> str:
    devices = str(gateway.lab.devices_file)
    done = CliRunner().invoke(cli, ["weights", words[0], str(SPEC), *words[1:], "--devices", devices])
    assert done.exit_code == 0, done.output
    gateway.lab.settle()
    return done.output


def test_the_release_tests_choose_a_version_and_nobody_else_does(gateway: Gateway) -> None:
    for version, endpoint in (("llama", OLD), ("llama_next", NEXT)):
        assert ask(gateway, "release-tests", version).status == 200
        assert gateway.seen()[-1].target.decode().split("/")[2] == endpoint
    before = len(gateway.seen())
    assert ask(gateway, "alice", "llama_next").verdict == "403 version-not-allowed"
    assert len(gateway.seen()) == before


def test_the_next_version_takes_over_step_by_step(gateway: Gateway) -> None:
    few = endpoints(gateway)
    assert endpoints(gateway) == few, "a caller always gets the same version"
    told = weights(gateway, "set", "chat", "llama=50", "llama_next=50")
    assert told == "lab: chat: llama=50 llama_next=50 (gateway.yaml: llama=95 llama_next=5)\n"
    more = endpoints(gateway)
    assert set(more.values()) == {OLD, NEXT}
    assert {caller for caller in CALLERS if few[caller] == NEXT} <= {c for c in CALLERS if more[c] == NEXT}
    weights(gateway, "promote", "chat", "llama_next")
    assert set(endpoints(gateway).values()) == {NEXT}
    weights(gateway, "revert", "chat")
    assert endpoints(gateway) == more
