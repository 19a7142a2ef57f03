"""Facts that concern the rendered iRule, counted in the lab; docs/fidelity.md lists them all."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from gateway_kit import CHAT, INVOKE, Gateway

REQUESTS = 3


def calls(gateway: Gateway, path: str, body: bytes) -> Mapping[str, float]:
    """How often a request calls each command of iRules, once everything that can be kept is kept."""
    plane = gateway.lab.data_plane

    async def count(enabled: bool) -> None:
        plane.count_commands(enabled)

    with gateway.client() as client:
        for _ in range(2):
            assert client.request(path, body).status == 200
        gateway.lab.call(count(True))
        try:
            for _ in range(REQUESTS):
                assert client.request(path, body).status == 200
            return {name: number / REQUESTS for name, number in plane.counters.items()}
        finally:
            gateway.lab.call(count(False))


@pytest.mark.parametrize(
    ("path", "body", "signatures", "digests", "lookups"),
    [(INVOKE, b"{}", 1, 2, 3), (CHAT, b'{"messages": []}', 0, 0, 4)],
    ids=["sigv4", "bearer"],
)
def test_what_a_warm_request_costs(
    quickstart: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: bytes,
    signatures: int,
    digests: int,
    lookups: int,
) -> None:
    monkeypatch.setattr(quickstart.lab.chat("llama-3-3-70b-v3"), "pause", None)
    counted = calls(quickstart, path, body)
    assert counted.get("CRYPTO::sign", 0) == signatures
    assert counted.get("CRYPTO::hash", 0) + counted.get("sha256", 0) == digests
    assert counted["class"] <= lookups
