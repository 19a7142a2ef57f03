"""docs/tensorflow.md and declarations/tensorflow, as a reader would try them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from gateway_kit import ROOT, Gateway, running_gateway

from bigip_sm.lab.aws.runtime import ACCEPTED

JSON = [("Content-Type", "application/json")]
BODY = b'{"instances": [[1.0, 2.0, 5.0]]}'


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    spec = ROOT / "declarations" / "tensorflow" / "gateway.yaml"
    with running_gateway(spec, tmp_path_factory.mktemp("tensorflow")) as gateway:
        yield gateway


@pytest.mark.parametrize(
    "path", ["demand:predict", "demand/versions/3:predict", "demand/versions/4:classify", "price:predict"]
)
def test_predictions(example: Gateway, path: str) -> None:
    answer = example.ask(f"/v1/models/{path}", BODY, JSON)
    assert (answer.status, json.loads(answer.body)["called"]) == (200, f"/tfs/v1/models/{path}")
    assert example.seen()[-1].verdict == ACCEPTED


@pytest.mark.parametrize(
    ("path", "body", "verdict"),
    [
        ("stock:predict", BODY, "404 model-not-served"),
        ("demand/versions/1:predict", BODY, "404 model-not-served"),
        ("price/versions/1:predict", BODY, "404 model-not-served"),
        ("demand:regress", BODY, "403 operation-not-allowed"),
        ("demand:predict", b'{"rows": []}', "400 shape-invalid"),
    ],
)
def test_refusals(example: Gateway, path: str, body: bytes, verdict: str) -> None:
    assert example.ask(f"/v1/models/{path}", body, JSON).verdict == verdict


def test_the_server_of_one_s_own(example: Gateway) -> None:
    answer = example.ask("/onsite/v1/models/demand", b"", [("X-Caller", "forged")], method="GET")
    told = json.loads(answer.body)
    assert (told["method"], told["path"], told["headers"]["x-caller"]) == ("GET", "/v1/models/demand", "staff:alice")
    with example.client("bob") as client:
        assert client.request("/onsite/v1/models/demand", b"", method="GET").verdict == "403 not-allowed"
