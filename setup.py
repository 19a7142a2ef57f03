"""Metadata is in setup.cfg. This compiles the lab's data plane with mypyc if BIGIP_SM_COMPILE=1 (docs/lab.md)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from setuptools import setup

if TYPE_CHECKING:
    from setuptools import Extension

FOLDER = "bigip_sm/lab/tmm/"
COMPILED = (
    *("client", "commands_crypto", "commands_http", "exchange", "flow", "framing", "groups", "messages", "outgoing"),
    *("parsing", "pools", "session", "shortcuts", "timers", "tls", "upstream"),
)
"""What runs for every request, but for what tests and benchmarks replace while it runs: ``Tmm``, ``Interpreter``."""


def extensions() -> list[Extension]:
    """One extension module for each compiled module, and one that they share."""
    try:
        from mypyc.build import mypycify
    except ImportError:
        sys.exit(
            "error: BIGIP_SM_COMPILE=1 needs mypy beside setuptools:"
            " pip install 'mypy>=1.10' 'setuptools>=68', then pip install --no-build-isolation"
        )
    # The project's own settings are for its checks; what is not installed while this is built has no types.
    flags = ["--config-file=", "--ignore-missing-imports", "--no-warn-unused-ignores"]
    made: list[Extension] = mypycify([*flags, *(f"{FOLDER}{name}.py" for name in COMPILED)])
    return made


setup(ext_modules=extensions() if os.environ.get("BIGIP_SM_COMPILE") == "1" else [])
