"""A server as a process of its own, which says its port in its first line of output."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process


async def start(module: str, *arguments: str) -> Process:
    """Run ``module`` with this Python. Its stdin is a pipe, whose end tells it that this process is gone."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


async def port(process: Process, seconds: float) -> int | None:
    """The port that it says; None if it says none within ``seconds``."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe, see start
    try:
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
    except asyncio.TimeoutError:
        return None
    return int(line) if line.strip().isdigit() else None
