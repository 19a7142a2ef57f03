"""The process that moto runs in: ``python -m bigip_sm.lab.aws.moto_process``.

Prints the port of the server as one line, then serves until its standard input is closed, which also happens when
its parent is killed.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Serve moto on a free port of 127.0.0.1 until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes the pipe
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # without waiting for moto's threads


if __name__ == "__main__":
    main()
