"""``bigip-sm audit``: keep the records of a gateway, prove that nobody changed them, and answer from them."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigip_sm.console import output_option, print_json
from bigip_sm.errors import AuditError

if TYPE_CHECKING:
    from bigip_sm.audit.answers import Gap, Note
    from bigip_sm.audit.chain import Verdict

FILES = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)


@click.group("audit", short_help="Keep the records of a gateway, prove them unchanged, and answer from them.")
def command() -> None:
    """Keep the records of a gateway, prove that nobody changed them, and answer from them.

    A gateway with `audit` in its gateway.yaml sends one record for each request; docs/audit.md describes it.
    """


@command.command("collect", short_help="Receive records over TLS and write them, chained by hash.")
@click.argument("directory", metavar="DIRECTORY", type=click.Path(path_type=Path, file_okay=False))
@click.option("--certificate", required=True, metavar="PEM", type=click.Path(exists=True), help="server certificate")
@click.option("--key", required=True, metavar="PEM", type=click.Path(exists=True), help="its private key")
@click.option(
    "--client-ca",
    metavar="PEM",
    type=click.Path(exists=True),
    help="take records only from holders of its certificates",
)
@click.option("--listen", default="127.0.0.1:6514", show_default=True, metavar="ADDRESS:PORT", help="where to listen")
@click.option(
    "--retention-days",
    default=365,
    show_default=True,
    type=click.IntRange(1, 36_500),
    help="for records that do not say it",
)
@click.option(
    "--max-megabytes",
    default=256,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="size at which a new file is begun",
)
def collect(
    directory: Path,
    certificate: str,
    key: str,
    client_ca: str | None,
    listen: str,
    retention_days: int,
    max_megabytes: int,
) -> None:
    """Receive records over TLS, one a line, and write them into DIRECTORY until SIGTERM or Ctrl-C.

    One file for each day, readable by you alone. Each line has the hash of the line before it, across files and
    restarts, and `keep_until`, the time until which the sink is to keep it. Exit code 0: ended by a signal, 1: the
    files cannot be written, or the address is taken.

    \b
    Example:
      bigip-sm audit collect /var/lib/bigip-sm-audit --listen 10.0.9.5:6514 --certificate audit.crt --key audit.key
    """
    import ssl

    from bigip_sm.audit.collect import server_tls
    from bigip_sm.audit.store import Store

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.UsageError(f"--listen {listen}: write an address and a port, such as 127.0.0.1:6514")
    try:
        tls = server_tls(certificate, key, client_ca)
    except (ssl.SSLError, OSError) as error:
        raise AuditError(f"{certificate}, {key}: not usable as a certificate and its key: {error}") from None
    store = Store(directory, max_bytes=max_megabytes * 1024**2, days=retention_days)
    for words in store.repaired:
        click.echo(words, err=True)
    try:
        asyncio.run(_serve(store, tls, host.strip("[]"), int(port)))
    finally:
        store.close()
        click.echo(f"{store.written} records written", err=True)


async def _serve(store: Any, tls: Any, host: str, port: int) -> None:
    from bigip_sm.audit.collect import Collector

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    collector = Collector(store, tls, log=lambda line: click.echo(line, err=True))
    bound = await collector.start(host, port)
    click.echo(f"listening on {host}:{bound}", err=True)
    waiting = [asyncio.ensure_future(over.wait()), asyncio.ensure_future(collector.broken())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
    await collector.stop()
    if collector.failed is not None:
        raise collector.failed


@command.command("verify", short_help="Check that no line of a chain was changed or taken out.")
@FILES
@click.option(
    "--follows", metavar="HASH", help="hash that the first line must follow, noted when earlier files were verified"
)
@click.option(
    "--requests",
    type=click.IntRange(0),
    metavar="N",
    help="requests that the virtual server counted in that time: fewer records are a loss",
)
@output_option
@click.pass_context
def verify(ctx: click.Context, files: Sequence[Path], follows: str | None, requests: int | None, output: str) -> None:
    """Follow the chain through FILEs, oldest first, or through all the files of directories.

    Lost records show as gaps in the numbers of a connection's requests, as notes of the collector about what it could
    not keep, and against the counter of the virtual server (`tmsh show ltm virtual`, Total Requests of its HTTP
    profile). Note the last hash that is printed: with
    --follows it proves that the next files go on where these end. Exit code 0: whole, 2: not whole, 1: not readable.

    \b
    Example:
      bigip-sm audit verify /var/lib/bigip-sm-audit
    """
    from bigip_sm.audit.answers import Wanted, chosen, gaps, notes
    from bigip_sm.audit.chain import entries
    from bigip_sm.audit.chain import verify as follow

    paths = _expanded(files)
    with ExitStack() as stack:
        verdict = follow(((str(path), stack.enter_context(_lines(path))) for path in paths), start=follows)
    found = list(chosen(entries(_every_line(paths)), Wanted()))
    noted = list(notes(entries(_every_line(paths))))
    missing = gaps(found)
    short = max(0, requests - len(found)) if requests is not None else 0
    whole = verdict.broken is None and not missing and not short and not noted
    if output == "json":
        print_json(
            {
                "ok": whole,
                "files": [str(path) for path in paths],
                "lines": verdict.lines,
                "records": len(found),
                "last": verdict.last,
                "broken": None if verdict.broken is None else dataclasses.asdict(verdict.broken),
                "gaps": [dataclasses.asdict(gap) for gap in missing],
                "lost": short,
                "notes": [dataclasses.asdict(one) for one in noted],
            }
        )
    else:
        _print_verdict(verdict, missing, noted, short, len(found))
    if not whole:
        ctx.exit(2)


def _print_verdict(verdict: Verdict, missing: list[Gap], noted: list[Note], short: int, records: int) -> None:
    if verdict.broken is not None:
        click.echo(f"{verdict.broken.file}:{verdict.broken.line}: {verdict.broken.why}")
    for gap in missing:
        numbers = ", ".join(map(str, gap.missing[:8])) + (", ..." if len(gap.missing) > 8 else "")
        click.echo(f"{gap.gateway}: connection {gap.connection}: no record of request {numbers}")
    for one in noted:
        when = datetime.fromtimestamp(one.time, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"{one.source}: {when}: the collector notes: {one.words}")
    if short:
        click.echo(f"{short} requests of the virtual server have no record")
    click.echo(f"{verdict.lines} lines follow each other, {records} records, last hash {verdict.last}")


@command.command("show", short_help="Who called what, when, with which permissions, under whose approval.")
@FILES
@click.option("--principal", metavar="WHO", help="identity:subject, or a subject")
@click.option("--route", metavar="NAME", help="only this route")
@click.option("--decision", type=click.Choice(["allowed", "refused", "failed"]), help="only these")
@click.option(
    "--since", type=click.DateTime(), metavar="TIME", help="from this time on, UTC, such as 2026-10-02T12:00:00"
)
@click.option("--until", type=click.DateTime(), metavar="TIME", help="up to this time, UTC")
@output_option
def show(
    files: Sequence[Path],
    principal: str | None,
    route: str | None,
    decision: str | None,
    since: datetime | None,
    until: datetime | None,
    output: str,
) -> None:
    """Answer from the records in FILEs, or in all the files of directories, alone.

    \b
    Examples:
      bigip-sm audit show /var/lib/bigip-sm-audit --route chat --decision refused
      bigip-sm audit show audit-20261002-001.jsonl --principal okta:alice --output json
    """
    from bigip_sm.audit.answers import Wanted, chosen
    from bigip_sm.audit.chain import entries

    wanted = Wanted(principal, route, decision, _epoch(since), _epoch(until))
    found = chosen(entries(_every_line(_expanded(files))), wanted)
    if output == "json":
        print_json(list(found))
        return
    count = 0
    for record in found:
        count += 1
        click.echo(_line(record))
    click.echo(f"{count} records", err=True)


def _line(record: dict[str, Any]) -> str:
    """One record for people: when, who, what, with which permissions, under whose approval, and what came of it."""
    from bigip_sm.audit.answers import principal

    time = datetime.fromtimestamp(record.get("time", 0) / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    what = f"{record.get('method')} {record.get('path')}"
    outcome = f"{record.get('decision')} {record.get('status') or '-'} {record.get('reason') or ''}".rstrip()
    if record.get("route") is None:
        return f"{time}  {principal(record)}  {what}  {outcome}"
    approval = f"{record.get('approved_by')} {record.get('ticket')} {record.get('approved_on')}"
    place = f"{record.get('route')} -> {record.get('endpoint') or record.get('upstream')}"
    role = f"role {record.get('role')} in {record.get('region') or '-'}, policy {record.get('policy')}"
    return f"{time}  {principal(record)}  {what}  {place}  {role}  approved: {approval}  {outcome}"


def _expanded(files: Sequence[Path]) -> list[Path]:
    from bigip_sm.audit.store import files_in

    found: list[Path] = []
    for path in files:
        inside = files_in(path) if path.is_dir() else [path]
        if not inside:
            raise AuditError(f"{path}: no files of a collector (audit-<day>-<number>.jsonl) are in it")
        found += inside
    return found


def _lines(path: Path) -> Any:
    return path.open(encoding="utf-8", errors="replace")


def _every_line(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        with _lines(path) as lines:
            yield from lines


def _epoch(time: datetime | None) -> float | None:
    return None if time is None else time.replace(tzinfo=timezone.utc).timestamp()
