"""What monitoring sees: Prometheus metrics and a health endpoint, over HTTP on this machine only.

Ages and ends are computed when they are asked for, so they go on even if the loop does not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from rotator import clocks
from rotator.board import Board
from rotator.push import Result

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector

LOOPBACK = "127.0.0.1"
PREFIX = "bigip_sm_rotator"


class Counters:
    """The metrics that count. ``registry`` is this rotator's own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry(auto_describe=False)
        self._pushes = Counter(
            f"{PREFIX}_pushes",
            "Credentials written to a device and read back.",
            ["role", "device"],
            registry=self.registry,
        )
        self._failures = Counter(
            f"{PREFIX}_failures",
            "Rotations that failed on a device, by reason.",
            ["role", "device", "reason"],
            registry=self.registry,
        )
        self._repairs = Counter(
            f"{PREFIX}_drift_repaired",
            "Credentials that somebody else had changed or removed and that were put back.",
            ["role", "device"],
            registry=self.registry,
        )
        self._fetches = Counter(
            f"{PREFIX}_source_fetches", "Questions to a role's source.", ["role", "result"], registry=self.registry
        )
        self._seconds = Histogram(
            f"{PREFIX}_device_seconds",
            "Time to look at one device and bring it up to date.",
            registry=self.registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
        )

    def pushed(self, result: Result, *, repaired: bool) -> None:
        """Count one result."""
        if result.wrote:
            self._pushes.labels(result.role, result.device).inc()
        if repaired:
            self._repairs.labels(result.role, result.device).inc()
        if result.state == "failed":
            self._failures.labels(result.role, result.device, result.failure).inc()

    def fetched(self, role: str, *, failed: bool) -> None:
        """Count one question to a source."""
        self._fetches.labels(role, "failed" if failed else "good").inc()

    def took(self, seconds: float) -> None:
        """Count the time that one unit took."""
        self._seconds.observe(seconds)

    def show(self, board: Board, clock: Callable[[], float] = clocks.now) -> None:
        """Have the state of ``board`` among the metrics."""
        self.registry.register(_collector(board, clock))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self.registry))


def _collector(board: Board, clock: Callable[[], float]) -> Collector:
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector

    class Shown(Collector):
        """The board and the clocks, at the moment of asking."""

        def collect(self) -> Iterator[GaugeMetricFamily]:
            def gauge(name: str, text: str, labels: Sequence[str] = ("role", "device")) -> GaugeMetricFamily:
                return GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)

            age = gauge("credential_age_seconds", "Time since the credential on a device was issued.")
            left = gauge(
                "credential_expiry_seconds", "Time until the first record on a device ends; negative when over."
            )
            state = gauge("credential_in_order", "1 if nobody need act before requests are refused, else 0.")
            clock_of = gauge("clock_skew_seconds", "How far a clock is ahead of this machine's.", ["clock"])
            now, skews = clock(), {}
            for (role, device), entry in board.entries().items():
                labels = (role, device)
                state.add_metric(labels, float(entry is not None and not entry.trouble(now)))
                if entry is None:
                    continue
                if entry.result.skew is not None:
                    skews[device] = entry.result.skew
                if entry.result.generation is not None:
                    age.add_metric(labels, now - entry.result.generation / 1000)
                left.add_metric(labels, (entry.result.until or now) - now)
            aws = clocks.aws_skew()
            for name, ahead in (*skews.items(), *((("aws", aws),) if aws is not None else ())):
                clock_of.add_metric((name,), ahead)
            yield from (age, left, state, clock_of)

    return Shown()


class Endpoint:
    """``/metrics`` and ``/health`` on 127.0.0.1, in a thread.

    ``port`` 0 takes any free one. Raises OSError if it is taken.
    """

    def __init__(self, port: int, metrics: Callable[[], bytes], health: Callable[[], Sequence[str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            """Answers GET, and logs nothing."""

            timeout = 10

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics())
                elif path in ("/health", "/healthz"):
                    problems = list(health())
                    body = json.dumps({"ok": not problems, "problems": problems}) + "\n"
                    self._answer(503 if problems else 200, "application/json", body.encode())
                else:
                    self._answer(404, "text/plain", b"there are /metrics and /health\n")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: scrapes are no news."""

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        except OSError as error:
            reason = f"{error.strerror or 'cannot be listened on'}; choose another with --metrics-port"
            raise OSError(error.errno, reason, f"{LOOPBACK}:{port}") from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="rotator http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
