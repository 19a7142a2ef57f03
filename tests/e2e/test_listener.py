"""What a listener may have beside TLS: HSTS, and what other modules of the BIG-IP protect it with."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_kit import INVOKE, QUICKSTART, running_gateway

from bigip_sm.bigip.apply import apply
from bigip_sm.bigip.as3 import As3Client
from bigip_sm.errors import DeclarationError
from bigip_sm.lab.bigip.objects import Attachment, VirtualServer
from bigip_sm.render import render
from bigip_sm.spec import load

ATTACHED = """    waf: /Common/models-waf
    bot_defense: /Common/models-bots
    dos: /Common/models-dos
    analytics: /Common/models-analytics
"""
HSTS = "    hsts: {max_age: 10h, include_subdomains: true}\n"


def spec_file(folder: Path, more: str) -> Path:
    file = folder / "gateway.yaml"
    file.write_text(QUICKSTART.read_text().replace("    hostnames:", f"{more}    hostnames:"))
    return file


def test_answers_of_the_model_carry_hsts_and_only_where_it_is_asked_for(tmp_path: Path) -> None:
    with running_gateway(spec_file(tmp_path, HSTS), tmp_path) as gateway:
        answer = gateway.ask(INVOKE)
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=36000; includeSubDomains"


def test_without_hsts_there_is_no_such_header(quickstart: object) -> None:
    from gateway_kit import Gateway

    assert isinstance(quickstart, Gateway)
    assert "strict-transport-security" not in quickstart.ask(INVOKE).headers


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
