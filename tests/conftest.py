"""Fixtures that several parts share; its presence puts this folder on the path of every test.

The only conftest.py: mypy cannot tell several modules of one name apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from background_loop import BackgroundLoop

if TYPE_CHECKING:
    from callers_kit import Callers
    from content_kit import Content
    from control_plane import EmulatedDevice
    from emulated_aws import EmulatedAws
    from gateway_kit import Gateway
    from limits_kit import Limited
    from scripted_device import ScriptedDevice
    from versions_kit import Versions


def pytest_configure() -> None:
    """``make compiled`` must not test the code that it has not compiled."""
    if os.environ.get("BIGIP_SM_COMPILED"):
        from bigip_sm.lab.tmm import exchange

        if exchange.__file__.endswith(".py"):
            raise pytest.UsageError(f"{exchange.__file__} is not compiled")


@pytest.fixture(scope="session")
def background() -> Iterator[BackgroundLoop]:
    """An asyncio loop in a thread of its own, for servers that synchronous clients are tested against."""
    loop = BackgroundLoop()
    yield loop
    loop.close()


@pytest.fixture
def scripted(background: BackgroundLoop, tmp_path: Path) -> Iterator[ScriptedDevice]:
    """A management interface whose answers the test writes."""
    import scripted_device

    device = scripted_device.start(background, tmp_path)
    yield device
    device.stop()


@pytest.fixture
def emulated(background: BackgroundLoop, tmp_path: Path) -> Iterator[EmulatedDevice]:
    """An emulated BIG-IP, bare."""
    from control_plane import EmulatedDevice

    from bigip_sm.lab.pki import Authority

    device = EmulatedDevice("bigip-a", background, tmp_path, Authority.create("Management CA"))
    device.start()
    yield device
    device.stop()


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The quickstart gateway, applied and rotated. Tests that change its state undo it."""
    from gateway_kit import QUICKSTART, running_gateway

    with running_gateway(QUICKSTART, tmp_path_factory.mktemp("quickstart")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with an upstream of every kind. Tests that change its state undo it."""
    from gateway_kit import running_gateway
    from kinds_kit import SPEC

    folder = tmp_path_factory.mktemp("kinds")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def textgen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for OpenAI clients whose models take prompts. Tests that change its state undo it."""
    from gateway_kit import running_gateway
    from textgen_kit import SPEC

    folder = tmp_path_factory.mktemp("textgen")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    """A gateway with every type of identity. Tests that change its state undo it."""
    from callers_kit import SPEC, Callers
    from gateway_kit import running_gateway

    folder = tmp_path_factory.mktemp("callers")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder, rotated=False) as gateway:
        made = Callers(gateway.stage)
        made.prepare()
        yield made


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Content]:
    """A gateway that checks what requests and answers contain. Tests that change its state undo it."""
    from content_kit import SPEC, Content
    from gateway_kit import running_gateway

    folder = tmp_path_factory.mktemp("content")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield Content(gateway.stage)


@pytest.fixture(scope="session")
def versions_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    """A gateway with two versions of a model and a model in two regions."""
    from gateway_kit import running_gateway
    from versions_kit import SPEC, Versions

    folder = tmp_path_factory.mktemp("versions")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder) as gateway:
        yield Versions(gateway.stage)


@pytest.fixture(scope="session")
def limits_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    """A gateway with limits of every kind, on four TMMs."""
    from gateway_kit import running_gateway
    from limits_kit import SPEC, Limited

    folder = tmp_path_factory.mktemp("limits")
    (folder / "gateway.yaml").write_text(SPEC)
    with running_gateway(folder / "gateway.yaml", folder, tmms=4) as gateway:
        yield Limited(gateway.stage)


@pytest.fixture
def limited(limits_gateway: Limited) -> Limited:
    """The gateway with limits, with nothing counted yet."""
    limits_gateway.fresh()
    return limits_gateway


@pytest.fixture(scope="session")
def aws(background: BackgroundLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedAws]:
    """STS and Secrets Manager that verify signatures."""
    from emulated_aws import EmulatedAws

    cloud = EmulatedAws(background, tmp_path_factory.mktemp("aws"))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="session")
def as3_schema() -> Path:
    """F5's AS3 schema. Without one the test is skipped, but in CI it fails."""
    from bigip_sm.lint import find_schema

    found = find_schema()
    if found is None:
        missing = "F5's AS3 schema is not on this machine: set BIGIP_SM_AS3_SCHEMA, or run: bigip-sm schema fetch"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    return found
