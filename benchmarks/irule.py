"""What the quickstart gateway's iRule costs per request: operations, and CPU time in the lab's Tcl.

    python benchmarks/irule.py [--requests 2000]

Requests are sent on one kept-alive TLS connection to the running lab. CPU time is that of the lab's thread while the
data plane is inside Tcl, iRule commands included; TLS, HTTP and the emulated AWS are not in it. TMM is compiled code
around the same Tcl, so only comparisons between these figures mean something for a real BIG-IP.
"""

from __future__ import annotations

import argparse
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bigip_sm.demo.stage import Stage
from bigip_sm.lab.tmm.client import ClientConnection

QUICKSTART = Path(__file__).parent.parent / "declarations" / "quickstart" / "gateway.yaml"
HOSTNAME = "models.example.com"
CASES = {
    "sign-only (sigv4)": ("/endpoints/churn-v7/invocations", ""),
    "bearer": ("/v1/chat/completions", '"messages": [], '),
}
SIZES = {"1 KB": 1024, "32 KB": 32 * 1024}
WARM_UP = 200
COUNTED = 50
SHOWN = ("CRYPTO::sign", "CRYPTO::hash", "class", "HTTP::collect", "HTTP::header")


@dataclass
class Clock:
    """CPU time spent inside Tcl, nanoseconds."""

    spent: int = 0


@contextmanager
def timed_tcl() -> Iterator[Clock]:
    """Have every event of the data plane timed, by the CPU clock of its own thread."""
    clock = Clock()
    fire = ClientConnection.fire

    def timed(self: ClientConnection, event: str) -> bool:
        started = time.thread_time_ns()
        try:
            return fire(self, event)
        finally:
            clock.spent += time.thread_time_ns() - started

    setattr(ClientConnection, "fire", timed)  # noqa: B010 - a method is assigned on purpose
    try:
        yield clock
    finally:
        setattr(ClientConnection, "fire", fire)  # noqa: B010


def measure(
    stage: Stage, client: httpx.Client, path: str, body: bytes, requests: int, clock: Clock
) -> dict[str, float]:
    """Operations and CPU µs per request. Raises RuntimeError if a request is not answered by the model."""

    def send(times: int) -> None:
        for _ in range(times):
            answer = client.post(path, content=body, extensions={"sni_hostname": HOSTNAME})
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
            stage.lab.cloud.runtime.requests.clear()

    send(WARM_UP)
    clock.spent = 0
    send(requests)
    figures: dict[str, float] = {"µs": clock.spent / requests / 1000}
    plane = stage.lab.data_plane
    stage.lab.call(_count(plane, True))
    send(COUNTED)
    figures.update({name: plane.counters.get(name, 0) / COUNTED for name in SHOWN})
    stage.lab.call(_count(plane, False))
    return figures


async def _count(plane: Any, enabled: bool) -> None:
    plane.count_commands(enabled)


def main() -> None:
    """Print one line per case and size."""
    parser = argparse.ArgumentParser(description="Cost of the quickstart's iRule per request, in the lab's Tcl.")
    parser.add_argument("--requests", type=int, default=2000, help="requests measured per line (default: 2000)")
    requests = parser.parse_args().requests
    print(f"{'case':<20}{'body':>7}{'CPU µs in Tcl':>15}" + "".join(f"{name:>15}" for name in SHOWN) + "  per request")
    with ExitStack() as stack, timed_tcl() as clock:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = Stage(QUICKSTART, folder, None, stack)
        stage.apply()
        code, _ = stage.rotate()
        if code != 0:
            raise RuntimeError("the rotator failed")
        stage.lab.chat("llama-3-3-70b-v3").pause = None
        files = stage.lab.client("alice")
        tls = ssl.create_default_context(cafile=str(stage.lab.ca_file))
        tls.load_cert_chain(files.certificate, files.key)
        host, port = stage.lab.listener("public")
        headers = {"Host": HOSTNAME, "Content-Type": "application/json"}
        client = stack.enter_context(
            httpx.Client(base_url=f"https://{host}:{port}", verify=tls, headers=headers, trust_env=False)
        )
        for case, (path, start) in CASES.items():
            for label, size in SIZES.items():
                body = f'{{{start}"padding": "'.encode()
                body += b"x" * (size - len(body) - 2) + b'"}'
                figures = measure(stage, client, path, body, requests, clock)
                counts = "".join(f"{figures[name]:>15.2f}" for name in SHOWN)
                print(f"{case:<20}{label:>7}{figures['µs']:>15.1f}{counts}")


if __name__ == "__main__":
    main()
