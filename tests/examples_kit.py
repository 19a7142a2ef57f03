"""Runs what `bigip-sm client examples` prints, as it is; only the way to the gateway is the test's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_kit import HOSTNAME, Gateway

from bigip_sm.render.examples import SUFFIXES, Language

PROGRAMS: dict[Language, list[str]] = {"curl": ["sh"], "python": [sys.executable], "node": ["node"]}
PYTHON_ROUTE = """
import socket
real = socket.create_connection
def connect(address, *rest, **named):
    return real(("127.0.0.1", {port}) if address[0] == "{host}" else address, *rest, **named)
socket.create_connection = connect
look_up = socket.getaddrinfo
def resolve(host, port, *rest, **named):
    return look_up("127.0.0.1", {port}, *rest, **named) if host == "{host}" else look_up(host, port, *rest, **named)
socket.getaddrinfo = resolve
"""
NODE_ROUTE = """
const tls = require("node:tls");
const real = tls.connect;
tls.connect = (options, ...rest) => real({{...options, host: "127.0.0.1", port: {port}}}, ...rest);
"""


def environment(gateway: Gateway, folder: Path, hostname: str = HOSTNAME) -> dict[str, str]:
    """Variables of a caller that trusts the lab's CA and finds the gateway."""
    where = {"host": hostname, "port": gateway.lab.listener("public")[1]}
    (folder / "sitecustomize.py").write_text(PYTHON_ROUTE.format(**where))
    (folder / "route.js").write_text(NODE_ROUTE.format(**where))
    (folder / ".curlrc").write_text(f'connect-to = "{hostname}:443:127.0.0.1:{where["port"]}"\nnoproxy = "*"\n')
    ca = str(gateway.lab.ca_file)
    return {
        "PATH": os.environ["PATH"],
        "CURL_HOME": str(folder),
        "PYTHONPATH": str(folder),
        "NODE_OPTIONS": f"--require {folder / 'route.js'}",
        "CURL_CA_BUNDLE": ca,
        "SSL_CERT_FILE": ca,
        "NODE_EXTRA_CA_CERTS": ca,
        "NO_PROXY": "*",
    }


def run(language: Language, text: str, variables: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as a caller would."""
    if shutil.which(PROGRAMS[language][0]) is None or (language == "curl" and shutil.which("curl") is None):
        pytest.skip(f"{language} is not on this machine")
    file = folder / f"example.{SUFFIXES[language]}"
    file.write_text(text)
    return subprocess.run(
        [*PROGRAMS[language], str(file)], env=variables, capture_output=True, text=True, timeout=60, check=False
    )
