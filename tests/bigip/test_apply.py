"""What apply decides to do from what it sees, and that it does it, on the emulated BIG-IP."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from control_plane import EmulatedDevice

from bigip_sm.bigip.apply import Applied, Observed, Step, apply, credential_groups, observe, plan, prepare
from bigip_sm.bigip.as3 import As3Client
from bigip_sm.bigip.device import Record
from bigip_sm.errors import DeclarationError, DeviceError
from bigip_sm.lab.bigip.objects import SslCertificate, SslKey
from bigip_sm.render import render
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
DECLARATION = {"class": "ADC", "schemaVersion": "3.50.0"}
BARE = Observed("bigip-a", "17.1.1", "3.56.0", "3.56.0", ("Common",), (), False, {})


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load(QUICKSTART)


def test_bare_device_gets_everything_in_order(spec: Spec) -> None:
    assert plan(spec, DECLARATION, BARE) == (
        Step("partition", "/bigip_sm", "create"),
        Step("folder", "/bigip_sm", "detach"),
        Step("data-group", "/bigip_sm/quickstart.chat", "create"),
        Step("data-group", "/bigip_sm/quickstart.classifier", "create"),
    )


def test_what_exists_is_kept(spec: Spec) -> None:
    there = dataclasses.replace(
        BARE,
        partitions=("Common", "bigip_sm", "quickstart"),
        tenants=("quickstart",),
        detached=True,
        groups=dict.fromkeys(credential_groups(spec), "string"),
    )
    assert {step.effect for step in plan(spec, DECLARATION, there)} == {"keep"}
    fewer = dataclasses.replace(there, groups={"/bigip_sm/quickstart.chat": "string"}, detached=False)
    assert [step.effect for step in plan(spec, DECLARATION, fewer)] == ["keep", "detach", "keep", "create"]


def test_partition_of_someone_else_is_not_taken_over(spec: Spec) -> None:
    taken = dataclasses.replace(BARE, partitions=("Common", "quickstart"), tenants=("other",))
    with pytest.raises(DeviceError, match="bigip-a: partition quickstart exists and was not made by AS3"):
        plan(spec, DECLARATION, taken)


def test_group_of_another_type_is_refused(spec: Spec) -> None:
    odd = dataclasses.replace(BARE, partitions=("bigip_sm",), groups={"/bigip_sm/quickstart.chat": "ip"})
    with pytest.raises(DeviceError, match="has type ip, not string"):
        plan(spec, DECLARATION, odd)


@pytest.mark.parametrize("version", ["14.1.5", "13.1", "", "x"])
def test_old_tmos_is_refused(spec: Spec, version: str) -> None:
    with pytest.raises(DeviceError, match=r"is too old; 15\.1 or newer is needed"):
        plan(spec, DECLARATION, dataclasses.replace(BARE, version=version))


def test_old_as3_is_refused(spec: Spec) -> None:
    with pytest.raises(DeviceError, match=r"AS3 3.9.0 is too old for this declaration; install 3\.50\.0 or newer"):
        plan(spec, DECLARATION, dataclasses.replace(BARE, as3_version="3.9.0", as3_schema="3.9.0"))


@pytest.fixture(scope="module")
def declaration(spec: Spec) -> dict[str, Any]:
    return dict(render(spec).declaration)


@pytest.fixture
def seeded(emulated: EmulatedDevice) -> EmulatedDevice:
    """A device with the certificates that the quickstart names."""
    issued = emulated.authority.issue("models.example.com", hosts=["models.example.com"])
    emulated.config.commit(
        put=[
            SslCertificate("/Common/models.crt", issued.certificate_pem),
            SslKey("/Common/models.key", issued.key_pem),
            SslCertificate("/Common/clients-ca.crt", emulated.authority.certificate_pem),
            SslCertificate("/Common/ca-bundle.crt", emulated.authority.certificate_pem),
        ]
    )
    return emulated


def deploy(device: EmulatedDevice, spec: Spec, declaration: dict[str, Any], *, dry_run: bool = False) -> Applied:
    with device.connect("admin") as client:
        return apply(client, As3Client(client.session), spec, declaration, dry_run=dry_run)


def test_apply_twice_changes_nothing_and_keeps_the_credentials(
    seeded: EmulatedDevice, spec: Spec, declaration: dict[str, Any]
) -> None:
    first = deploy(seeded, spec, declaration)
    assert first.changed
    assert [(tenant.name, tenant.message) for tenant in first.outcome.tenants] == [("quickstart", "success")]
    with seeded.connect("rotator") as client:
        client.replace_records("/bigip_sm/quickstart.chat", [Record("meta", "kept")])
    second = deploy(seeded, spec, declaration)
    assert not second.changed
    assert {step.effect for step in second.steps} == {"keep"}
    assert second.outcome.tenants[0].message == "no change"
    with seeded.connect("rotator") as client:
        assert client.data_group("/bigip_sm/quickstart.chat").records == (Record("meta", "kept"),)
    folder = seeded.plane.folders.get("/bigip_sm")
    assert (folder.device_group, folder.inherited) == ("none", False)


def test_dry_run_changes_nothing(seeded: EmulatedDevice, spec: Spec, declaration: dict[str, Any]) -> None:
    applied = deploy(seeded, spec, declaration, dry_run=True)
    assert applied.changed
    assert applied.outcome.dry_run
    with seeded.connect("admin") as client:
        assert client.partitions() == ("Common",)
    assert deploy(seeded, spec, declaration).steps == applied.steps


def test_a_missing_certificate_is_told_in_one_line(
    emulated: EmulatedDevice, spec: Spec, declaration: dict[str, Any]
) -> None:
    with pytest.raises(DeclarationError, match=r"bigip-a: AS3: .*/Common/models") as caught:
        deploy(emulated, spec, declaration)
    assert "\n" not in str(caught.value)


def test_partition_made_by_hand_is_refused_before_anything_is_made(
    seeded: EmulatedDevice, spec: Spec, declaration: dict[str, Any]
) -> None:
    with seeded.connect("admin") as client:
        client.create_partition("quickstart", "made by hand")
    with pytest.raises(DeviceError, match="partition quickstart exists and was not made by AS3"):
        deploy(seeded, spec, declaration)
    with seeded.connect("admin") as client:
        assert client.partitions() == ("Common", "quickstart")


def test_only_an_administrator_may_apply(seeded: EmulatedDevice, spec: Spec, declaration: dict[str, Any]) -> None:
    with seeded.connect("rotator") as client, pytest.raises(DeviceError, match="bigip-a: "):
        apply(client, As3Client(client.session), spec, declaration)


def test_race_with_another_apply(seeded: EmulatedDevice, spec: Spec, declaration: dict[str, Any]) -> None:
    with seeded.connect("admin") as client:
        steps = plan(spec, declaration, observe(client, As3Client(client.session), spec))
        prepare(client, steps)
        client.replace_records("/bigip_sm/quickstart.chat", [Record("meta", "kept")])
        prepare(client, steps)
        assert client.data_group("/bigip_sm/quickstart.chat").records == (Record("meta", "kept"),)
