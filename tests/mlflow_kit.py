"""The gateway of declarations/mlflow, and the surroundings of a stock MLflow client with nothing of AWS on it."""

from __future__ import annotations

import hashlib
import os

import pytest
from gateway_kit import ROOT, Gateway
from kinds_kit import resolve_here

HOSTNAME = "mlflow.example.com"
KEY = "the-key-of-the-nightly-training-job"


def example_with_key() -> str:
    """The example's gateway.yaml, with ``KEY`` in the place of a key that nobody knows."""
    text = (ROOT / "declarations" / "mlflow" / "gateway.yaml").read_text("utf-8")
    example_key = hashlib.sha256(b"an-example-key-that-nobody-should-use").hexdigest()
    assert example_key in text
    return text.replace(example_key, hashlib.sha256(KEY.encode()).hexdigest())


def stock_client(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow clients of this process find the gateway, and no setting of MLflow or AWS of this machine."""
    resolve_here(monkeypatch, HOSTNAME)
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(gateway.lab.ca_file),
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
