"""What a listener may have beside TLS: HSTS, and what other modules of the BIG-IP protect it with."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_kit import CHAT, INVOKE, QUICKSTART, Gateway, message, running_gateway

from bigip_sm.bigip.apply import apply
from bigip_sm.bigip.as3 import As3Client
from bigip_sm.errors import DeclarationError
from bigip_sm.lab.aws.runtime import model_error
from bigip_sm.lab.bigip.objects import Attachment, VirtualServer
from bigip_sm.render import render
from bigip_sm.spec import load

ATTACHED = """    waf: /Common/models-waf
    bot_defense: /Common/models-bots
    dos: /Common/models-dos
    analytics: /Common/models-analytics
"""
JSON = [("Content-Type", "application/json")]
HSTS = "    hsts: {max_age: 10h, include_subdomains: true}\n"


def spec_file(folder: Path, more: str) -> Path:
    file = folder / "gateway.yaml"
    file.write_text(QUICKSTART.read_text().replace("    hostnames:", f"{more}    hostnames:"))
    return file


KEY = "a-key-that-nobody-has-in-this-test"
KEYS = f"""  tools:
    type: api-key
    header: authorization
    keys: {{{hashlib.sha256(KEY.encode()).hexdigest()}: {{subject: tool}}}}
"""
MODELS = """  models:
    listener: public
    match: {path: /v1/models, methods: [GET]}
    upstream: models
    allow: ["staff:*"]
    approved_by: {name: tests, ticket: T-1, date: 2026-01-01}
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The quickstart with HSTS, and all that the gateway has to say by itself: 401, 405, 429, models, errors."""
    folder = tmp_path_factory.mktemp("strict")
    file = spec_file(folder, HSTS)
    text = file.read_text("utf-8").replace("\nroles:", f"{KEYS}\nroles:").replace("10.30.0.0/16", "192.0.2.0/24")
    text = text.replace("\nroutes:\n", f"  models: {{kind: model-list}}\n\nroutes:\n{MODELS}")
    text = text.replace("limits: {body: 1MiB}", "limits: {body: 1MiB}\n    shape: {}")
    file.write_text(text.replace("{body: 4MiB}", "{body: 4MiB, requests: 1/hour}"), "utf-8")
    with running_gateway(file, folder) as running:
        yield running


def told(
    gateway: Gateway, target: str, *, method: str = "POST", subject: str | None = "alice"
) -> tuple[int, str, list[str]]:
    """Status, reason and every Strict-Transport-Security of the answer to one request."""
    with gateway.client(subject) as client:
        client.send(message(target, b"{}" if method == "POST" else b"", JSON, method=method))
        answer = http.client.HTTPResponse(client.socket, method=method)
        answer.begin()
        answer.read()
    found = [value for name, value in answer.getheaders() if name.lower() == "strict-transport-security"]
    return answer.status, answer.getheader("X-Gateway-Reason", ""), found


ONE = ["max-age=36000; includeSubDomains"]


def test_answers_of_the_model_carry_hsts_once(strict: Gateway) -> None:
    assert told(strict, INVOKE) == (200, "", ONE)


def test_answers_of_the_gateway_itself_carry_it_once_too(strict: Gateway) -> None:
    assert told(strict, "/nowhere") == (404, "no-route", ONE)
    assert told(strict, INVOKE, method="GET") == (405, "method-not-allowed", ONE)
    assert told(strict, INVOKE, subject=None) == (401, "unauthenticated", ONE)
    assert told(strict, "/v1/models", method="GET") == (200, "", ONE)
    assert told(strict, CHAT) == (400, "", ONE)  # the model's own
    assert told(strict, CHAT) == (429, "too-many-requests", ONE)


def test_errors_of_the_model_that_the_gateway_writes_anew_carry_it_once_too(strict: Gateway) -> None:
    strict.lab.cloud.runtime.faults.append(model_error())
    assert told(strict, INVOKE) == (500, "", ONE)


def test_without_hsts_there_is_no_such_header(quickstart: Gateway) -> None:
    assert told(quickstart, INVOKE) == (200, "", [])
    assert told(quickstart, "/nowhere") == (404, "no-route", [])


def test_objects_of_other_modules_are_attached_to_the_virtual_server(tmp_path: Path) -> None:
    with running_gateway(spec_file(tmp_path, ATTACHED), tmp_path) as gateway:
        (virtual,) = [one for one in gateway.lab.config.all(VirtualServer) if one.path.endswith("listener_public")]
        wanted = tuple(f"/Common/models-{name}" for name in ("waf", "bots", "dos", "analytics"))
        assert virtual.attached == wanted
        assert gateway.ask(INVOKE).status == 200


def test_one_that_the_device_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    with running_gateway(spec_file(tmp_path, ATTACHED), tmp_path, rotated=False) as gateway:
        spec = load(spec_file(tmp_path, ATTACHED.replace("models-dos", "another-dos")))
        with (
            gateway.stage.device.connect("administrator") as device,
            pytest.raises(DeclarationError, match="Unable to find /Common/another-dos"),
        ):
            apply(device, As3Client(device.session), spec, render(spec).declaration)
        assert {one.path for one in gateway.lab.config.all(Attachment)} >= {"/Common/models-dos"}
