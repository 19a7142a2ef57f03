"""The emulated AWS in front of MLflow: what it refuses, without MLflow's own server."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.metadata

import pytest
from aws_signing import ROLE, sign, with_header

from bigip_sm.aws.hosts import public_host
from bigip_sm.errors import LabError
from bigip_sm.lab.aws.apis.mlflow import MlflowApi
from bigip_sm.lab.aws.mlflow_server import MlflowServer
from bigip_sm.lab.aws.runtime import ACCEPTED, Runtime
from bigip_sm.lab.aws.sessions import SessionStore
from bigip_sm.lab.http import Request, Response

STORE = SessionStore()
SESSION = STORE.issue(ROLE, 3600)
TRACKING = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/experiments"
APP = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1"
TRACKING_HOST, APP_HOST = "us-east-1.experiments.sagemaker.aws", "mlflow.sagemaker.us-east-1.app.aws"
HEADERS = {TRACKING_HOST: "x-mlflow-sm-tracking-server-arn", APP_HOST: "x-sm-mlflow-app-arn"}
SERVICES = {TRACKING_HOST: "sagemaker-mlflow", APP_HOST: "sagemaker"}
ARNS = {TRACKING_HOST: TRACKING, APP_HOST: APP}
SEARCH = "/api/2.0/mlflow/runs/search"


async def forward(method: str, target: bytes, headers: list[tuple[str, str]], body: bytes) -> Response:
    return Response(200, [], f"{method} {target.decode()} {dict(headers)} {body.decode()}".encode())


def aws() -> Runtime:
    apis = {host: MlflowApi(SERVICES[host], HEADERS[host], [ARNS[host]], forward) for host in HEADERS}
    hosts = dict.fromkeys(HEADERS, "us-east-1")
    return Runtime(endpoints={}, sessions=STORE, hosts=hosts, apis=apis)


def ask(request: Request) -> tuple[int, str, bytes]:
    cloud = aws()
    answer = asyncio.run(cloud.handle(request))
    assert isinstance(answer.body, bytes)
    return answer.status, cloud.requests[-1].verdict, answer.body


def signed(host: str, arn: str | None = None, service: str = "", region: str = "us-east-1") -> Request:
    headers = [("content-type", "application/json"), (HEADERS[host], arn or ARNS[host])]
    return sign(SESSION, target=SEARCH, headers=headers, host=host, service=service or SERVICES[host], region=region)


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1"])
def test_hosts_are_those_of_the_sheet(region: str) -> None:
    assert public_host("mlflow_tracking", region) == f"{region}.experiments.sagemaker.aws"
    assert public_host("mlflow_app", region) == f"mlflow.sagemaker.{region}.app.aws"


@pytest.mark.parametrize("host", HEADERS)
def test_a_server_is_named_in_a_signed_header(host: str) -> None:
    status, verdict, body = ask(signed(host))
    assert (status, verdict) == (200, ACCEPTED)
    assert body.startswith(f"POST {SEARCH} ".encode())
    assert b"arn:" not in body, "what names the server does not reach it"
    assert b"authorization" not in body.lower()
    without = with_header(signed(host), HEADERS[host], None)
    assert ask(without)[0] == 403, "the signature covers it"
    unnamed = sign(SESSION, target=SEARCH, host=host, service=SERVICES[host])
    assert ask(unnamed)[:2] == (500, "InternalFailure")
    assert ask(with_header(unnamed, HEADERS[host], ARNS[host]))[:2] == (403, "InvalidSignatureException")
    twice = dataclasses.replace(signed(host), headers=[*signed(host).headers, (HEADERS[host].encode(), b"other")])
    assert ask(twice)[0] in (403, 500)
    assert ask(signed(host, f"{ARNS[host]}x"))[:2] == (403, "AccessDeniedException")


@pytest.mark.parametrize(("host", "service"), [(TRACKING_HOST, "sagemaker"), (APP_HOST, "sagemaker-mlflow")])
def test_each_has_its_own_signing_name(host: str, service: str) -> None:
    assert ask(signed(host, service=service))[:2] == (403, "InvalidSignatureException")
    assert ask(signed(host, region="us-west-2"))[:2] == (403, "InvalidSignatureException")


def test_a_lab_without_mlflow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(LabError, match=r"mlflow is not installed: pip install 'mlflow>=3'"):
        asyncio.run(MlflowServer().start())


def test_a_server_that_does_not_run_is_not_asked() -> None:
    with pytest.raises(LabError, match="start it first"):
        asyncio.run(MlflowServer().forward("GET", b"/version", [], b""))
