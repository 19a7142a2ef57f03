"""Journal, state and revocations on disk."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path

import pytest

from rotator.store import Store, default_folder, now_ms, utc


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state", "inference")


def test_journal_is_json_lines_for_the_owner_only(store: Store) -> None:
    store.journal("pushed", 1_795_262_400.5, role="chat", devices=["a"])
    store.journal("failed", 1_795_262_401, role="chat", devices=["b"])
    (path,) = store.folder.glob("*.jsonl")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["pushed", "failed"]
    assert next(store.events()) == {"time": "2026-11-21T12:00:00Z", "event": "pushed", "role": "chat", "devices": ["a"]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(store: Store) -> None:
    """``revoke`` at 3 a.m. is run as root, and the daemon has to read what it wrote."""
    store.folder.mkdir()
    os.chown(store.folder, 12345, 23456)
    store.revoke("chat", 1)
    store.journal("revoked", 0)
    store.save_state({})
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in store.folder.iterdir()}
    assert owners == {(12345, 23456)}
    assert len(list(store.folder.iterdir())) == 4


def test_a_line_that_a_crash_cut_short_is_left_out(store: Store) -> None:
    store.journal("pushed", 0)
    (path,) = store.folder.glob("*.jsonl")
    path.write_text(path.read_text() + '{"time": "2026')
    assert [event["event"] for event in store.events()] == ["pushed"]


def test_the_journal_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rotator.store.JOURNAL_SIZE", 1000)
    for number in range(200):
        store.journal("pushed", number, number=number)
    assert sum(path.stat().st_size for path in store.folder.iterdir()) < 2200
    assert [event["number"] for event in store.events()][-1] == 199


def test_state(store: Store) -> None:
    assert store.state() == {}
    store.save_state({"a": 1})
    store.save_state({"a": 2})
    assert store.state() == {"a": 2}
    assert [path.name for path in store.folder.iterdir()] == ["inference.state.json"]


def test_revocations_only_grow_and_are_seen_by_others(store: Store) -> None:
    other = Store(store.folder, "inference")
    assert other.revocations() == {}
    store.revoke("chat", 1000)
    assert other.revocations() == {"chat": 1000}
    other.revoke("chat", 500)
    other.revoke("churn", 7)
    assert store.revocations() == {"chat": 1000, "churn": 7}
    assert Store(store.folder, "another").revocations() == {}


def test_revocations_that_cannot_be_read_stay_as_they_were(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.revoke("chat", 1000)
    assert store.revocations() == {"chat": 1000}
    for number, rubbish in enumerate(("rubbish", '{"chat": "yesterday"}', "[]"), 1):
        (store.folder / "inference.revoked.json").write_text(rubbish)
        for _ in range(3):
            assert store.revocations() == {"chat": 1000}
        assert caplog.text.count("cannot be read") == number  # said once, not every second
    store.revoke("chat", 2000)
    assert store.revocations() == {"chat": 2000}


def test_what_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file", "inference")
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            store.journal("pushed", 0)
            store.save_state({})
    assert len(caplog.records) == 1
    with pytest.raises(OSError, match="File exists"):
        store.revoke("chat", 1)


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")
    assert default_folder() == Path("/var/lib/a")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert default_folder() == Path("/home/me/state/bigip-sm-rotator")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_folder() == Path.home() / ".local/state/bigip-sm-rotator"


def test_times() -> None:
    assert utc(0.9) == "1970-01-01T00:00:00Z"
    assert now_ms(1.5) == 1500
