"""What the steps of the demonstration share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigip_sm.bigip.apply import Applied, apply, credential_groups
from bigip_sm.bigip.as3 import As3Client
from bigip_sm.bigip.device import DataGroup
from bigip_sm.bigip.inventory import DeviceEntry, load_inventory
from bigip_sm.errors import LabError
from bigip_sm.lab.aws.runtime import SeenRequest
from bigip_sm.lab.lab import Lab
from bigip_sm.render import Rendered
from bigip_sm.spec.model import Spec

ROTATOR_TIMEOUT = 60.0
"""Seconds that one run of the rotator may take."""


@dataclass
class Stage:
    """The gateway, the lab, and what earlier steps left. ``directory`` is for files of this run only."""

    gateway_file: Path
    directory: Path
    schema: Path | None
    stack: ExitStack
    _spec: Spec | None = None
    _rendered: Rendered | None = None
    _lab: Lab | None = None
    records: dict[str, DataGroup] = field(default_factory=dict)
    workers: int = 1
    tmms: int = 2

    @property
    def spec(self) -> Spec:
        """The loaded gateway.yaml."""
        if self._spec is None:
            from bigip_sm.spec import load

            self._spec = load(self.gateway_file)
        return self._spec

    @property
    def rendered(self) -> Rendered:
        """What the spec renders to."""
        if self._rendered is None:
            from bigip_sm.render import render

            self._rendered = render(self.spec)
        return self._rendered

    @property
    def lab(self) -> Lab:
        """The running lab; the first use starts it."""
        if self._lab is None:
            lab = Lab(self.spec, self.directory, schema=self.schema, workers=self.workers, tmms=self.tmms)
            self._lab = self.stack.enter_context(lab)
        return self._lab

    @property
    def device(self) -> DeviceEntry:
        """The emulated BIG-IP as the inventory knows it."""
        return load_inventory(self.lab.devices_file).devices[0]

    def apply(self) -> Applied:
        """Put the gateway on the emulated BIG-IP, and wait until it is in force on every TMM."""
        with self.device.connect("administrator") as device:
            applied = apply(device, As3Client(device.session), self.spec, self.rendered.declaration)
        self.lab.settle()
        return applied

    def credentials(self) -> dict[str, DataGroup]:
        """The credential data groups as they are on the device now."""
        with self.device.connect("rotator") as device:
            return {path: device.data_group(path) for path in credential_groups(self.spec)}

    def rotate(self, *roles: str) -> tuple[int, Any]:
        """Run ``bigip-sm-rotator once`` as a process of its own; returns its exit code and its JSON report.

        With ``roles`` only these are rotated, and no issuer of tokens is asked for keys.
        """
        command = [sys.executable, "-m", "rotator", "once", str(self.gateway_file)]
        command += ["--devices", str(self.lab.devices_file), "--output", "json"]
        command += [word for role in roles for word in ("--role", role)]
        try:
            done = subprocess.run(  # noqa: S603 - the command is our own interpreter and our own files
                command,
                env=clean_environment() | self.lab.rotator_environment(),
                capture_output=True,
                text=True,
                timeout=ROTATOR_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"the rotator did not end within {ROTATOR_TIMEOUT:.0f} s") from error
        self.lab.settle()
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError as error:
            raise LabError(
                f"the rotator printed no JSON (exit code {done.returncode}): {done.stderr.strip()}"
            ) from error

    def seen(self) -> list[SeenRequest]:
        """Every request that reached the emulated SageMaker runtime, oldest first."""
        return list(self.lab.cloud.runtime.requests)


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that would lead an AWS SDK or an HTTP client elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
