"""`bigip-sm audit`: a collector as a process, and what is asked of its files."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bigip_sm.audit.store import files_in
from bigip_sm.commands.main import main
from bigip_sm.lab.files import private_file
from bigip_sm.lab.pki import Authority, client_context

Capture = pytest.CaptureFixture[str]
SERVERS = Authority.create("audit servers")
CLIENTS = Authority.create("audit clients")
NAME = "audit.example.com"


def record(number: int = 1, **more: Any) -> dict[str, Any]:
    """As much of a record as is asked for here."""
    base = {"gateway": "g", "connection_id": "c", "number": number, "time": 1_790_000_000_000 + number * 1000}
    who = {"identity": "okta", "subject": "alice", "route": "chat", "endpoint": "llama", "role": "chat"}
    approval = {"approved_by": "security", "ticket": "SEC-1", "approved_on": "2026-10-02", "policy": "abc"}
    what = {"method": "POST", "path": "/v1/chat", "decision": "allowed", "status": 200, "reason": None}
    return {**base, **who, **approval, **what, "region": "us-east-1", **more}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    issued = SERVERS.issue(NAME, hosts=[NAME])
    private_file(tmp_path / "audit.crt", issued.certificate_pem)
    private_file(tmp_path / "audit.key", issued.key_pem)
    private_file(tmp_path / "clients.crt", CLIENTS.certificate_pem)
    return tmp_path


@contextmanager
def collecting(files: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A collector and its port; ended with SIGTERM."""
    command = [sys.executable, "-c", "import sys; from bigip_sm.commands.main import main; sys.exit(main())"]
    command += ["audit", "collect", str(files / "kept"), "--listen", "127.0.0.1:0", *more]
    command += ["--certificate", str(files / "audit.crt"), "--key", str(files / "audit.key")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("listening on 127.0.0.1:"), line
        yield process, int(line.rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.communicate()


def send(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> None:
    context = tls or client_context(SERVERS.certificate_pem)
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(raw, server_hostname=NAME) as connection:
        connection.sendall(data)
        connection.unwrap().close()


def kept(files: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in files_in(files / "kept") for line in path.read_text().splitlines()]


def until(files: Path, number: int) -> None:
    deadline = time.monotonic() + 10
    while len(kept(files)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_records_are_kept_through_a_restart_and_asked_for(files: Path, capsys: Capture) -> None:
    with collecting(files) as (process, port):
        for number in (1, 2):
            send(port, json.dumps(record(number)).encode() + b"\n")
        until(files, 2)
    assert process.returncode == 0
    with collecting(files) as (process, port):
        send(
            port,
            json.dumps(record(3, subject="bob", decision="refused", reason="not-allowed", status=403)).encode() + b"\n",
        )
        until(files, 3)
    assert process.returncode == 0
    assert main(["audit", "verify", str(files / "kept")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 lines follow each other, 3 records, last hash ")
    assert main(["audit", "verify", str(files / "kept"), "--requests", "4", "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["lost"] == 1
    assert main(["audit", "show", str(files / "kept"), "--principal", "okta:bob"]) == 0
    assert capsys.readouterr().out == (
        "2026-09-21 14:13:23  okta:bob  POST /v1/chat  chat -> llama  role chat in us-east-1, policy abc  "
        "approved: security SEC-1 2026-10-02  refused 403 not-allowed\n"
    )
    for arguments, count in (
        (["--decision", "allowed"], 2),
        (["--principal", "alice"], 2),
        (["--route", "other"], 0),
        (["--since", "2026-09-21T14:13:22"], 2),
        (["--until", "2026-09-21T14:13:22"], 1),
    ):
        assert main(["audit", "show", str(files / "kept"), "--output", "json", *arguments]) == 0
        assert len(json.loads(capsys.readouterr().out)) == count, arguments


def test_a_changed_file_and_a_lost_record_are_told_with_exit_code_2(files: Path, capsys: Capture) -> None:
    with collecting(files) as (_, port):
        send(port, b"".join(json.dumps(record(number)).encode() + b"\n" for number in (1, 3)))
        until(files, 2)
    assert main(["audit", "verify", str(files / "kept")]) == 2
    assert "g: connection c: no record of request 2" in capsys.readouterr().out
    (path,) = files_in(files / "kept")
    path.write_text(path.read_text().replace("alice", "mallo", 1))
    assert main(["audit", "verify", str(path)]) == 2
    assert f"{path}:1: its hash is not that of its content" in capsys.readouterr().out


def test_a_line_without_end_is_cut_off_and_noted_and_others_are_served(files: Path, capsys: Capture) -> None:
    with collecting(files) as (_, port):
        with pytest.raises((ConnectionError, ssl.SSLError)):
            send(port, b"x" * 4_000_000)
        until(files, 1)
        send(port, b"not JSON\n" + json.dumps(record()).encode() + b"\n\n")
        until(files, 3)
    noted, first, second = kept(files)
    assert re.fullmatch(r"a line of \d{7} bytes, more than 65536, was left out", noted["note"])
    assert first["raw"] == "not JSON"
    assert second["record"] == record()
    assert main(["audit", "verify", str(files / "kept")]) == 2
    assert "127.0.0.1: " in (out := capsys.readouterr().out)
    assert f": the collector notes: {noted['note']}\n" in out
    assert main(["audit", "verify", str(files / "kept"), "--output", "json"]) == 2
    assert [one["words"] for one in json.loads(capsys.readouterr().out)["notes"]] == [noted["note"]]


def test_a_line_that_is_too_long_is_noted_and_the_records_behind_it_are_kept(files: Path) -> None:
    with collecting(files) as (_, port):
        long = b'{"a": "' + b"x" * 100_000 + b'"}\n'
        send(port, json.dumps(record(1)).encode() + b"\n" + long + json.dumps(record(2)).encode() + b"\n")
        until(files, 3)
    before, noted, after = kept(files)
    assert noted["note"] == f"a line of {len(long) - 1} bytes, more than 65536, was left out"
    assert (before["record"], after["record"]) == (record(1), record(2))


def test_what_was_sent_before_a_stop_is_kept_though_the_connection_is_open(files: Path) -> None:
    number = 4000
    with collecting(files) as (process, port):
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        with client_context(SERVERS.certificate_pem).wrap_socket(raw, server_hostname=NAME) as connection:
            lines = [json.dumps(record(one)).encode() + b"\n" for one in range(1, number + 1)]
            connection.sendall(b"".join(lines) + b'{"half')
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert process.wait(20) == 0
            assert time.monotonic() - began < 15
    *records, half = kept(files)
    assert [entry["record"]["number"] for entry in records] == list(range(1, number + 1))
    assert half["raw"] == '{"half'


def test_a_sender_that_does_not_end_does_not_keep_a_collector_from_its_stop(files: Path) -> None:
    with collecting(files) as (process, port):
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        with client_context(SERVERS.certificate_pem).wrap_socket(raw, server_hostname=NAME) as connection:
            connection.sendall(json.dumps(record()).encode() + b"\n")
            until(files, 1)
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 20
            with suppress(ConnectionError, ssl.SSLError):
                while time.monotonic() < deadline:
                    connection.sendall(json.dumps(record()).encode() + b"\n")
                    time.sleep(0.01)
            assert time.monotonic() < deadline
            assert process.wait(10) == 0


def test_with_a_client_ca_nobody_else_may_send(files: Path) -> None:
    with collecting(files, "--client-ca", str(files / "clients.crt")) as (_, port):
        with pytest.raises((ConnectionError, ssl.SSLError)):
            send(port, json.dumps(record(1)).encode() + b"\n")
        issued = CLIENTS.issue("bigip-a", client=True)
        send(port, json.dumps(record(2)).encode() + b"\n", client_context(SERVERS.certificate_pem, issued))
        until(files, 1)
        time.sleep(0.1)
    assert [entry["record"]["number"] for entry in kept(files)] == [2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "6514"], "write an address and a port"),
        (["--listen", "127.0.0.1:99999"], "write an address and a port"),
        (["--key", "audit.crt"], "not usable as a certificate and its key"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(files)
    words = ["audit", "collect", "kept", "--certificate", "audit.crt", "--key", "audit.key", *arguments]
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_no_files_is_an_error_and_no_proof(tmp_path: Path, capsys: Capture) -> None:
    assert main(["audit", "verify", str(tmp_path)]) == 1
    assert "no files of a collector" in capsys.readouterr().err


def test_the_schema_of_a_record_can_be_had(capsys: Capture) -> None:
    assert main(["schema", "audit"]) == 0
    assert "approved_by" in json.loads(capsys.readouterr().out)["properties"]
