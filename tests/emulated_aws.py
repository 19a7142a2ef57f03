"""STS and Secrets Manager for synchronous tests: the lab's front before moto, from the background loop."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from background_loop import BackgroundLoop

from bigip_sm.lab.aws.assume import Role
from bigip_sm.lab.aws.cloud import Cloud
from bigip_sm.lab.network import Network
from bigip_sm.lab.pki import Authority

REGION = "us-east-1"
CLASSIFIER = "arn:aws:iam::123456789012:role/bigip-classifier"
CHAT = "arn:aws:iam::123456789012:role/bigip-chat"
EXTERNAL_ID = "bigip-sm-quickstart"


@dataclass
class EmulatedAws:
    """A running cloud with the quickstart's roles and secret."""

    background: BackgroundLoop
    folder: Path
    authority: Authority = field(default_factory=lambda: Authority.create("AWS CA"))
    cloud: Cloud = field(default_factory=lambda: Cloud([]))

    def start(self) -> None:
        """Serve."""
        (self.folder / "aws-ca.pem").write_text(self.authority.certificate_pem)
        serving = self.cloud.start(Network(), self.authority, regions=[REGION, "us-west-2"], vpc_endpoints={})
        self.background.run(serving, timeout=40)
        self.cloud.add_role(CHAT, external_id=EXTERNAL_ID)

    def stop(self) -> None:
        """End moto and everything else."""
        self.background.run(self.cloud.stop())

    def environment(self) -> dict[str, str]:
        """What leads boto3 here, and nowhere else."""
        return self.cloud.environment(self.folder / "aws-ca.pem", REGION)

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let boto3 find this AWS, and nothing else, for one test."""
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
            patch.delenv(name)
        for name, value in self.environment().items():
            patch.setenv(name, value)

    def role(self, arn: str) -> Role:
        """A role that any known caller may assume."""
        return Role(arn)

    def put_secret(self, name: str, value: dict[str, object]) -> None:
        """Make a secret's current version."""
        self.background.run(self.cloud.moto.put_secret(name, value, REGION))
