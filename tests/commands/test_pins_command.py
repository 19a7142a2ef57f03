"""`bigip-sm pins`: a silent redeploy is noticed, and nothing else is taken for one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bigip_sm.aws.pins import Pin, Target, compare, pins_text, read_pins
from bigip_sm.commands.main import main
from bigip_sm.errors import PinError

Capture = pytest.CaptureFixture[str]
QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn"
CHURN, LLAMA_EAST, LLAMA_WEST = "churn-v7@us-east-1", "llama-3-3-70b-v3@us-east-1", "llama-3-3-70b-v3@us-west-2"


class SageMaker:
    """SageMaker's own API as far as endpoints are described, in the wire format of botocore's model (JSON 1.1).

    moto does not tell the images of an endpoint, which is what pins are about.
    """

    def __init__(self) -> None:
        self.endpoints = {name: deployment() for name in (CHURN, LLAMA_EAST, LLAMA_WEST)}
        self.asked: list[str] = []
        self.refusal = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                region = self.headers["Authorization"].split("/")[2]
                status, answer = outer.answer(self.headers["X-Amz-Target"], body, region)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def answer(self, target: str, body: dict[str, str], region: str) -> tuple[int, dict[str, Any]]:
        """Status and body for one call."""
        assert target == "SageMaker.DescribeEndpoint"
        name = f"{body['EndpointName']}@{region}"
        self.asked.append(name)
        if self.refusal:
            return 400, {"__type": "AccessDeniedException", "Message": self.refusal}
        if name not in self.endpoints:
            return 400, {"__type": "ValidationException", "message": f'Could not find endpoint "{name}".'}
        return 200, {"EndpointName": body["EndpointName"], "EndpointStatus": "InService", **self.endpoints[name]}


def deployment(config: str = "config-1", digest: str = "a" * 64, modified: float = 1_790_000_000) -> dict[str, Any]:
    """What DescribeEndpoint says of a deployment."""
    image = {"SpecifiedImage": f"{IMAGE}:latest", "ResolvedImage": f"{IMAGE}@sha256:{digest}"}
    variant = {"VariantName": "AllTraffic", "DeployedImages": [image], "CurrentInstanceCount": 2}
    return {
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x",
        "EndpointConfigName": config,
        "ProductionVariants": [variant],
        "CreationTime": 1_780_000_000,
        "LastModifiedTime": modified,
    }


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMaker]:
    made = SageMaker()
    made.thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL_SAGEMAKER": f"http://127.0.0.1:{made.server.server_port}",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "never-shown",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.yaml"
    file.write_text(QUICKSTART.read_text())
    return file


@pytest.fixture
def pinned(sagemaker: SageMaker, gateway: Path, capsys: Capture) -> Path:
    assert main(["pins", "record", str(gateway)]) == 0
    capsys.readouterr()
    return gateway


def test_every_endpoint_of_every_region_is_recorded(sagemaker: SageMaker, gateway: Path, capsys: Capture) -> None:
    assert main(["pins", "record", str(gateway)]) == 0
    assert sorted(sagemaker.asked) == [CHURN, LLAMA_EAST, LLAMA_WEST]
    out = capsys.readouterr().out
    assert "churn-v7 in us-east-1: config-1, last modified 2026-09-21T14:13:20Z" in out
    (churn, *others) = json.loads((gateway.parent / "pins.json").read_text())["pins"]
    assert len(others) == 2
    assert churn == {
        "endpoint": "churn-v7",
        "region": "us-east-1",
        "component": "",
        "config": "config-1",
        "last_modified": "2026-09-21T14:13:20Z",
        "images": {"AllTraffic": [f"{IMAGE}@sha256:{'a' * 64}"]},
    }


def test_nothing_changed_is_nothing_to_say(pinned: Path, capsys: Capture) -> None:
    assert main(["pins", "verify", str(pinned)]) == 0
    assert capsys.readouterr().out == "3 deployments checked, all as recorded\n"


def test_another_instance_count_is_no_redeploy(sagemaker: SageMaker, pinned: Path) -> None:
    sagemaker.endpoints[CHURN]["ProductionVariants"][0]["CurrentInstanceCount"] = 7
    assert main(["pins", "verify", str(pinned)]) == 0


def test_a_silent_redeploy_is_reported_with_exit_code_2(sagemaker: SageMaker, pinned: Path, capsys: Capture) -> None:
    sagemaker.endpoints[LLAMA_WEST] = deployment("config-1", "b" * 64, 1_790_000_060)
    assert main(["pins", "verify", str(pinned), "--output", "json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["checked"] == 3
    place = {"endpoint": "llama-3-3-70b-v3", "region": "us-west-2", "component": ""}
    assert [(row["target"], row["what"]) for row in report["differences"]] == [
        (place, "last modified"),
        (place, "images of AllTraffic"),
    ]
    assert report["differences"][1]["found"] == f"{IMAGE}@sha256:{'b' * 64}"


def test_another_endpoint_config_is_reported(sagemaker: SageMaker, pinned: Path, capsys: Capture) -> None:
    sagemaker.endpoints[CHURN] = deployment("config-2")
    assert main(["pins", "verify", str(pinned)]) == 2
    assert capsys.readouterr().out == (
        "churn-v7 in us-east-1: endpoint config: recorded config-1, found config-2\n"
        "3 deployments checked, NOT as recorded\n"
    )


def test_an_endpoint_that_is_gone_is_an_error_of_one_line(sagemaker: SageMaker, pinned: Path, capsys: Capture) -> None:
    del sagemaker.endpoints[CHURN]
    assert main(["pins", "verify", str(pinned)]) == 1
    assert capsys.readouterr().err.startswith(
        "error: churn-v7 in us-east-1: describe_endpoint: ValidationException: Could not find endpoint"
    )


def test_a_missing_permission_is_named_and_the_old_pins_stay(
    sagemaker: SageMaker, pinned: Path, capsys: Capture
) -> None:
    before = (pinned.parent / "pins.json").read_text()
    sagemaker.refusal = "not authorized to perform: sagemaker:DescribeEndpoint"
    assert main(["pins", "record", str(pinned)]) == 1
    assert "sagemaker:DescribeEndpoint" in capsys.readouterr().err
    assert (pinned.parent / "pins.json").read_text() == before


@pytest.mark.usefixtures("sagemaker")
def test_without_a_file_of_pins_the_way_out_is_told(gateway: Path, capsys: Capture) -> None:
    assert main(["pins", "verify", str(gateway)]) == 1
    assert capsys.readouterr().err.endswith("pins.json does not exist; write it with: bigip-sm pins record\n")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "pins": [{}]}', '{"version": 1, "pins": 3}']
)
def test_a_file_that_holds_no_pins_is_refused(text: str) -> None:
    with pytest.raises(PinError, match="not a file of pins"):
        read_pins(text, "pins.json")


def test_a_newer_file_is_refused_by_its_version() -> None:
    with pytest.raises(PinError, match="version 2"):
        read_pins('{"version": 2, "pins": []}', "pins.json")


def test_a_route_that_came_or_went_is_a_difference() -> None:
    old, new = (Pin(Target(name, "us-east-1"), "c", "2026-01-01T00:00:00Z", {"v": ("i",)}) for name in ("old", "new"))
    found = compare([old], read_pins(pins_text([new]), "x"))
    assert [(one.target.endpoint, one.recorded, one.found) for one in found] == [
        ("new", "none", "not recorded yet"),
        ("old", "recorded", "the gateway does not use it any more"),
    ]
