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

from bigip_sm.audit.answers import Gap, gaps, notes
from bigip_sm.audit.chain import START, digest, link, text, verify
from bigip_sm.audit.lines import Lines, TooLong
from bigip_sm.audit.store import Store, files_in
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
    paths = files_in(tmp_path / "new")
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


def test_a_line_that_a_crash_cut_off_is_put_aside_and_the_chain_says_so_and_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(b'{"n": 1}', "10.0.0.1", NOON)
    store.write(b'{"n": 2}', "10.0.0.1", NOON)
    store.close()
    (path,) = files_in(tmp_path)
    whole, torn = path.read_text().splitlines(keepends=True)
    path.write_text(whole + torn[:-20])
    store = Store(tmp_path)
    assert store.repaired == [
        f"{path.name}: its last line was cut off by a crash; the {len(torn) - 20} bytes of it are in {path.name}.torn"
    ]
    store.write(b'{"n": 3}', "10.0.0.1", NOON)
    store.close()
    assert path.read_text() == whole
    aside = tmp_path / f"{path.name}.torn"
    assert aside.read_text() == torn[:-20]
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    lines = [line for one in files_in(tmp_path) for line in one.read_text().splitlines()]
    verdict = verify([("x", lines)], start=START)
    assert (verdict.lines, verdict.broken) == (3, None)
    assert [one.words for one in notes(map(json.loads, lines))] == store.repaired
    again = Store(tmp_path)
    assert again.repaired == []
    again.close()


def test_a_file_of_half_a_line_alone_is_emptied_and_the_one_before_it_carried_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    (tmp_path / "audit-20991231-001.jsonl").write_bytes(b'{"hash":')
    store = Store(tmp_path)
    store.close()
    assert (tmp_path / "audit-20991231-001.jsonl").read_bytes() == b""
    lines = [line for one in files_in(tmp_path) for line in one.read_text().splitlines()]
    assert (verify([("x", lines)], start=START).lines, verify([("x", lines)], start=START).broken) == (2, None)


def test_a_whole_line_that_is_no_entry_is_not_carried_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    (path,) = files_in(tmp_path)
    path.write_text(path.read_text()[:-20] + "\n")
    for _ in range(2):
        with pytest.raises(AuditError, match=f"{path.name}: its last line is not an entry"):
            Store(tmp_path)


def test_the_thousandth_file_of_a_day_is_the_last_one(tmp_path: Path) -> None:
    for number in range(4):
        store = Store(tmp_path)
        store.write(b"{}", "10.0.0.1", NOON)
        store.close()
        if not number:
            (path,) = files_in(tmp_path)
            path.rename(tmp_path / "audit-20260921-999.jsonl")
    paths = files_in(tmp_path)
    assert [path.name for path in paths] == [f"audit-20260921-{number}.jsonl" for number in (999, 1000, 1001, 1002)]
    verdict = verify(((path.name, path.read_text().splitlines()) for path in paths), start=START)
    assert (verdict.lines, verdict.broken) == (4, None)


def test_a_clock_that_is_set_back_does_not_fork_the_chain(tmp_path: Path) -> None:
    for now in (NOON, NOON - DAY, NOON - 2 * DAY, NOON + DAY):
        store = Store(tmp_path)
        store.write(b"{}", "10.0.0.1", now)
        store.write(b"{}", "10.0.0.1", now - DAY)
        store.close()
    paths = files_in(tmp_path)
    verdict = verify(((path.name, path.read_text().splitlines()) for path in paths), start=START)
    assert (verdict.lines, verdict.broken) == (8, None)


@given(
    parts=st.lists(st.lists(st.sampled_from([b"a", b"bb", b"\n", b"", b"c" * 9, b"\r"])).map(b"".join)),
    longest=st.integers(1, 12),
)
def test_lines_are_the_same_however_they_arrive(parts: list[bytes], longest: int) -> None:
    lines = Lines(longest)
    found = [line for part in parts for line in lines.feed(part)]
    wanted = b"".join(parts).split(b"\n")
    told = [TooLong(len(line)) if len(line) > longest else line for line in wanted]
    assert [*found, lines.end()] == told
    assert lines.end() == b""


def test_an_empty_file_of_a_crash_is_passed_over(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    os.close(os.open(tmp_path / "audit-20991231-001.jsonl", os.O_CREAT | os.O_WRONLY, 0o600))
    store = Store(tmp_path)
    store.write(b"{}", "10.0.0.1", NOON)
    store.close()
    paths = files_in(tmp_path)
    assert verify(((path.name, path.read_text().splitlines()) for path in paths), start=START).lines == 2


def test_holes_in_the_numbers_of_a_connection_are_lost_records() -> None:
    def record(connection: str, number: int) -> dict[str, Any]:
        return {"gateway": "g", "connection_id": connection, "number": number}

    found = gaps([record("a", 1), record("a", 4), record("b", 1), record("b", 2), record("c", 2)])
    assert found == [Gap("g", "a", (2, 3)), Gap("g", "c", (1,))]
