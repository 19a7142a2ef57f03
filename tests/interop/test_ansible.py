"""F5's Ansible modules, unmodified, against the emulated BIG-IP.

They live in an environment of their own, because the ``ansible`` package is large: ``make interop`` makes it in
``.venv-interop``, or ``BIGIP_SM_INTEROP`` names another one. Without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from control_plane import PASSWORDS, EmulatedDevice

from bigip_sm.lab.bigip.objects import DataGroup, Rule

Arguments = dict[str, Any]

ENVIRONMENT = Path(os.environ.get("BIGIP_SM_INTEROP") or Path(__file__).parents[2] / ".venv-interop")
ANSIBLE = ENVIRONMENT / "bin" / "ansible"

pytestmark = pytest.mark.skipif(
    not ANSIBLE.is_file(), reason=f"{ANSIBLE} does not exist: make it with 'make interop', or set BIGIP_SM_INTEROP"
)


@dataclass
class Ansible:
    """Runs one module at a time on this machine; its files go to ``folder``."""

    device: EmulatedDevice
    folder: Path
    user: str = "admin"

    def environment(self) -> dict[str, str]:
        """Where the device is and how to log in, for the modules; no telemetry; the lab's CA is the only one."""
        return {
            "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "F5_SERVER": "127.0.0.1",
            "F5_SERVER_PORT": str(self.device.port),
            "F5_USER": self.user,
            "F5_PASSWORD": PASSWORDS[self.user],
            "F5_VALIDATE_CERTS": "true",
            "F5_TELEMETRY_OFF": "true",
            "SSL_CERT_FILE": str(self.device.ca),
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, name: str, /, *, fails: bool = False, **arguments: Any) -> dict[str, Any]:
        """What the module of that name returned."""
        options = json.dumps({"provider": {"no_f5_teem": True}, **arguments})
        python = f"ansible_python_interpreter={ENVIRONMENT / 'bin' / 'python'}"
        command: list[str | Path] = [
            *(ANSIBLE, "localhost", "-c", "local", "-e", python),
            *("-m", f"f5networks.f5_modules.{name}", "-a", options),
        ]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=60, check=False)
        state, arrow, result = done.stdout.partition("=>")
        assert arrow, done.stdout + done.stderr
        assert ("FAILED" in state) == fails, done.stdout
        found: dict[str, Any] = json.loads(result)
        return found


@pytest.fixture
def ansible(emulated: EmulatedDevice, tmp_path: Path) -> Ansible:
    emulated.plane.folders.add_partition("bigip_sm")
    return Ansible(emulated, tmp_path)


def test_data_group(ansible: Ansible) -> None:
    ansible.user = "rotator"
    config, path = ansible.device.config, "/bigip_sm/words"
    group: Arguments = {"name": "words", "partition": "bigip_sm", "type": "string", "internal": True}
    records = [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}]
    assert ansible.run("bigip_data_group", **group, records=records)["changed"]
    assert config.get(DataGroup, path) == DataGroup(path, "string", (("a", "1"), ("b", "2")))
    assert not ansible.run("bigip_data_group", **group, records=records)["changed"]
    assert ansible.run("bigip_data_group", **group, records=[{"key": "c", "value": "x|y"}])["changed"]
    assert config.get(DataGroup, path) == DataGroup(path, "string", (("c", "x|y"),))
    assert ansible.run("bigip_data_group", **group, state="absent")["changed"]
    assert config.get(DataGroup, path) is None
    assert len(ansible.device.plane.tokens) == 0


def test_data_group_refused(ansible: Ansible) -> None:
    ansible.user = "rotator"
    group: Arguments = {"name": "words", "partition": "Common", "type": "string", "internal": True}
    assert "01070822:3:" in ansible.run("bigip_data_group", fails=True, **group, records=[{"key": "a"}])["msg"]


def test_irule(ansible: Ansible) -> None:
    config, path = ansible.device.config, "/Common/hello"
    text = "when HTTP_REQUEST {\n    HTTP::respond 200\n}"
    rule: Arguments = {"name": "hello", "module": "ltm"}
    assert ansible.run("bigip_irule", **rule, content=text)["changed"]
    assert config.get(Rule, path) == Rule(path, text)
    assert not ansible.run("bigip_irule", **rule, content=text)["changed"]
    refused = ansible.run("bigip_irule", fails=True, **rule, content="when NOPE { }")
    assert "01070151:3:" in refused["msg"]
    assert config.get(Rule, path) == Rule(path, text)
    assert ansible.run("bigip_irule", **rule, state="absent")["changed"]
    assert config.get(Rule, path) is None


def test_certificate_is_verified(ansible: Ansible) -> None:
    ansible.device.ca = ansible.folder / "nothing.pem"
    ansible.device.ca.write_text("")
    failed = ansible.run("bigip_irule", fails=True, name="hello", module="ltm", content="when HTTP_REQUEST { }")
    assert "CERTIFICATE_VERIFY_FAILED" in failed["msg"]
    assert len(ansible.device.plane.tokens) == 0
