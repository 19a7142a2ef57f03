"""The process that MLflow's own server runs under: ``python -m bigip_sm.lab.aws.mlflow_process FOLDER``.

It prints the port as one line as soon as the server answers, and ends it, with its workers, when its standard input is
closed, which also happens when its parent is killed. What the server says goes to ``FOLDER/server.log``.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    """Serve MLflow on a free port of 127.0.0.1, with all it keeps below the folder, until standard input ends."""
    os.setsid()  # Ctrl-C is the parent's; and all that follows is one group, to be ended together
    folder = Path(sys.argv[1])
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - a fixed command
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(folder / "artifacts"), "--workers", "1"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        )
    threading.Thread(target=_announce, args=(server, port), daemon=True).start()
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


def _announce(server: subprocess.Popen[bytes], port: int) -> None:
    """Print the port when the server answers; end all if it ends before."""
    while server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                sys.stdout.write(f"{port}\n")
                sys.stdout.flush()
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    os.killpg(0, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
