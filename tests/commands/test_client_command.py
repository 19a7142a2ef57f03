"""`bigip-sm client add`: a caller more, and nothing else changed."""

from __future__ import annotations

import hashlib
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest
from callers_kit import SPEC

from bigip_sm.commands.main import main
from bigip_sm.spec import load
from bigip_sm.spec.identities import ApiKeyIdentity, ClientCertificateIdentity, NetworkIdentity

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("declarations/*/gateway.yaml"))
CALLER = ["--identity", "staff", "--subject", "bob"]


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.yaml"
    file.write_text(SPEC.replace("gateway: callers", "gateway: callers  # reviewed every spring"))
    return file


def add(file: Path, *arguments: str) -> int:
    return main(["client", "add", str(file), *arguments])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_only_the_lines_of_the_caller_change(example: Path, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(example.read_text())
    spec = load(example)
    name, identity = next((n, i) for n, i in spec.identities.items() if isinstance(i, ClientCertificateIdentity))
    route = next(iter(spec.routes))
    assert add(file, "--identity", name, "--subject", "new.caller", "--route", route, "--group", "newcomers") == 0
    before, after = (path.read_text().splitlines() for path in (example, file))
    assert len(before) == len(after)
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert 1 <= len(changed) <= 2
    assert all("new.caller" in line for line in changed)
    assert identity.groups.get("newcomers") is None
    found = load(file).identities[name]
    assert isinstance(found, ClientCertificateIdentity)
    assert found.groups["newcomers"] == ("new.caller",)


def test_a_certificate_holder_is_let_in(gateway: Path, capsys: Capture) -> None:
    assert add(gateway, *CALLER, "--route", "groups") == 0
    assert "staff:bob" in load(gateway).routes["groups"].allow
    assert "# reviewed every spring" in gateway.read_text()
    assert "+    allow:" in capsys.readouterr().out


def test_who_may_come_in_already_needs_no_entry(gateway: Path) -> None:
    assert add(gateway, *CALLER, "--route", "open", "--route", "groups", "--group", "gold") == 0
    spec = load(gateway)
    assert "staff:bob" not in spec.routes["open"].allow + spec.routes["groups"].allow
    staff = spec.identities["staff"]
    assert isinstance(staff, ClientCertificateIdentity)
    assert staff.groups["gold"] == ("carol", "bob")


def test_a_key_is_made_and_only_its_hash_is_in_the_file(gateway: Path, capsys: Capture) -> None:
    key_file = gateway.parent / "acme.key"
    arguments = ["--identity", "partner", "--subject", "acme-two", "--route", "agents", "--key-file", str(key_file)]
    assert add(gateway, *arguments) == 0
    key = key_file.read_text()
    assert len(key) >= 43
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    partner = load(gateway).identities["partner"]
    assert isinstance(partner, ApiKeyIdentity)
    assert partner.keys[hashlib.sha256(key.encode()).hexdigest()].subject == "acme-two"
    shown = capsys.readouterr()
    assert key not in shown.out + shown.err + gateway.read_text()
    assert add(gateway, *arguments[:3], "acme-three", *arguments[4:]) == 1
    assert key_file.read_text() == key
    assert "acme-three" not in gateway.read_text()


def test_a_network_gets_its_owner(gateway: Path) -> None:
    assert (
        add(gateway, "--identity", "batch", "--subject", "weekly", "--network", "10.31.0.0/16", "--route", "open") == 0
    )
    batch = load(gateway).identities["batch"]
    assert isinstance(batch, NetworkIdentity)
    assert {str(network): who for network, who in batch.networks.items()}["10.31.0.0/16"] == "weekly"


def test_the_approval_is_written_with_todays_date(gateway: Path) -> None:
    assert add(gateway, *CALLER, "--route", "groups", "--approved-by", "security", "--ticket", "SEC-9") == 0
    approval = load(gateway).routes["groups"].approved_by
    today = datetime.now(timezone.utc).date()
    assert (approval.name, approval.ticket, approval.date) == ("security", "SEC-9", today)


def test_a_dry_run_shows_and_writes_nothing(gateway: Path, capsys: Capture) -> None:
    before = gateway.read_text()
    assert add(gateway, *CALLER, "--route", "groups", "--dry-run") == 0
    assert "staff:bob" in capsys.readouterr().out
    assert gateway.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--identity", "stuff", "--subject", "bob", "--route", "open"], "there is no identity stuff"),
        ([*CALLER, "--route", "opne"], "there is no route opne"),
        ([*CALLER, "--route", "open", "--network", "10.0.0.0/8"], "staff is of type client-certificate"),
        (["--identity", "partner", "--subject", "x", "--route", "open"], "partner is of type api-key"),
        (["--identity", "batch", "--subject", "x", "--route", "open"], "batch is of type network"),
        (["--identity", "cloud", "--subject", "x", "--route", "open", "--group", "g"], "groups of cloud are in its"),
        ([*CALLER, "--route", "open", "--ticket", "SEC-9"], "--approved-by and --ticket go together"),
        (["--identity", "staff", "--subject", "a|b", "--route", "groups"], "cannot be a subject"),
    ],
)
def test_what_cannot_be_done_leaves_the_file_alone(
    gateway: Path, arguments: list[str], message: str, capsys: Capture
) -> None:
    before = gateway.read_text()
    assert add(gateway, *arguments) == 1
    assert message in capsys.readouterr().err
    assert gateway.read_text() == before
