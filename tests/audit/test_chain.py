"""The chain: any change of any line shows, and a collector goes on where it ended."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.audit.answers import Gap, gaps
from bigip_sm.audit.chain import START, digest, link, text, verify
from bigip_sm.audit.store import PATTERN, Store
from bigip_sm.errors import AuditError

NOON = 1_790_000_000.0
DAY = 86_400.0


def chain(*records: bytes) -> list[str]:
    """Lines for records."""
    lines, prev = [], START
    for record in records:
        entry, prev = link(record, prev=prev, time=NOON, source="10.0.0.1", days=10)
        lines.append(text(entry))
    return lines


def three() -> list[str]:
    return chain(b'{"a": 1}', b'{"a": 2}', b'{"a": 3}')


def test_a_whole_chain_is_verified_and_its_last_hash_told() -> None:
    lines = three()
    verdict = verify([("x", lines)], start=START)
    assert (verdict.lines, verdict.broken, verdict.last) == (3, None, json.loads(lines[2])["hash"])


def tampered(line: str, **changes: Any) -> str:
    """A line that somebody changed who knows how hashes are made."""
    entry = {**json.loads(line), **changes}
    return text({**entry, "hash": digest(entry)})


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([three()[0], three()[1].replace('"a":2', '"a":9'), three()[2]], 2, "changed"),
        ([three()[0], tampered(three()[1], record={"a": 9}), three()[2]], 3, "does not follow"),
        ([three()[0], three()[2]], 2, "does not follow"),
        ([three()[1], three()[2]], 1, "does not follow"),
        ([three()[0], three()[2], three()[1]], 2, "does not follow"),
        ([*three(), three()[1]], 4, "does not follow"),
        ([three()[0], "not JSON\n"], 2, "not JSON"),
        ([three()[0], "[]\n"], 2, "not an entry"),
        ([three()[0], '{"record": {}}\n'], 2, "not an entry"),
    ],
)
def test_whatever_was_done_to_it_is_found_with_its_line(lines: list[str], line: int, why: str) -> None:
    broken = verify([("x", lines)], start=START).broken
    assert broken is not None
    assert (broken.file, broken.line) == ("x", line)
    assert why in broken.why


@given(where=st.integers(0, 2), at=st.integers(0, 10_000), byte=st.integers(32, 126))
def test_no_single_character_can_be_changed(where: int, at: int, byte: int) -> None:
    lines = three()
    line = lines[where].rstrip("\n")
    changed = line[: at % len(line)] + chr(byte) + line[at % len(line) + 1 :]
    lines[where] = changed + "\n"
    assert (verify([("x", lines)], start=START).broken is None) == (changed == line)


@given(st.binary(max_size=200))
def test_whatever_arrives_is_kept_and_chained(data: bytes) -> None:
    lines = chain(data.replace(b"\n", b""), b'{"retention_days": 1}', b'{"retention_days": "x"}')
    assert verify([("x", lines)], start=START).broken is None
    assert [json.loads(line)["keep_until"] for line in lines[1:]] == [int(NOON + DAY), int(NOON + 10 * DAY)]


def test_a_store_goes_on_after_a_restart_a_new_day_and_a_full_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "new", max_bytes=600)
    for number in range(5):
        store.write(b'{"n": %d}' % number, "10.0.0.1", NOON)
    store.close()
    store = Store(tmp_path / "new", max_bytes=600)
    store.write(b'{"n": 5}', "10.0.0.1", NOON)
    store.write(b'{"n": 6}', "10.0.0.1", NOON + DAY)
    store.close()
    paths = sorted((tmp_path / "new").glob(PATTERN))
    assert len(paths) > 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    verdict = verify(((path.name, path.read_text().splitlines()) for path in paths), start=START)
    assert (verdict.lines, verdict.broken) == (7, None)
    without = [path for path in paths if path is not paths[1]]
    broken = verify(((path.name, path.read_text().splitlines()) for path in without), start=START).broken
    assert broken is not None
    assert broken.file == paths[2].name


def test_one_directory_is_for_one_collector(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(AuditError, match="another collector"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_file_that_does_not_end_in_an_entry_is_not_carried_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    (path,) = tmp_path.glob(PATTERN)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(AuditError, match=f"{path.name}: its last line is not an entry"):
        Store(tmp_path)


def test_an_empty_file_of_a_crash_is_passed_over(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    os.close(os.open(tmp_path / "audit-20991231-001.jsonl", os.O_CREAT | os.O_WRONLY, 0o600))
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    paths = sorted(tmp_path.glob(PATTERN))
    assert verify(((path.name, path.read_text().splitlines()) for path in paths), start=START).lines == 2


def test_holes_in_the_numbers_of_a_connection_are_lost_records() -> None:
    def record(connection: str, number: int) -> dict[str, Any]:
        return {"gateway": "g", "connection_id": connection, "number": number}

    found = gaps([record("a", 1), record("a", 4), record("b", 1), record("b", 2), record("c", 2)])
    assert found == [Gap("g", "a", (2, 3)), Gap("g", "c", (1,))]
