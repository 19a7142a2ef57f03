"""Logging to stderr, without the loggers that would print secrets."""

from __future__ import annotations

import logging
import time

LEVELS = ("debug", "info", "warning", "error")

CHATTY = (
    "boto3",
    "botocore",
    "urllib3",
    "s3transfer",
    "httpx",
    "httpcore",
    "hpack",
    "iam_rolesanywhere_session",
    "f5",
    "icontrol",
    "schedule",
)
"""Libraries that log headers or bodies, and with them secrets, below WARNING; the last just a line for every job."""


def configure(level: str) -> None:
    """Log to stderr from ``level`` up, times in UTC. The libraries in ``CHATTY`` are held at WARNING whatever it is."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs the traceback of what it then raises.
    logging.getLogger("botocore.credentials").setLevel(logging.CRITICAL)
