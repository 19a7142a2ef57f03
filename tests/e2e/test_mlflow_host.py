"""A host that is MLflow's alone: the route ``/*``, and an MLFLOW_TRACKING_URI without a path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from examples_kit import environment, run
from gateway_kit import Answer, Gateway, running_gateway
from mlflow.tracking import MlflowClient
from mlflow_kit import HOSTNAME, KEY, example_with_key, stock_client

from bigip_sm.errors import SpecError
from bigip_sm.render.examples import Language, example
from bigip_sm.spec import load

API = "/api/2.0/mlflow"


def whole_host() -> str:
    """The example with one route, ``/*``."""
    return (
        example_with_key()
        .partition("  # MLFLOW_TRACKING_URI=https://mlflow.example.com/app\n")[0]
        .replace("path: /tracking/*", "path: /*")
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "gateway.yaml").write_text(whole_host(), "utf-8")
    with running_gateway(folder / "gateway.yaml", folder) as running:
        assert set(running.stage.spec.routes) == {"tracking"}
        yield running


def ask(gateway: Gateway, target: str, body: object = None, *, method: str = "GET", subject: str = "alice") -> Answer:
    with gateway.client(subject, hostname=HOSTNAME) as client:
        data = b"" if body is None else json.dumps(body).encode()
        headers = [("Content-Type", "application/json")] if data else []
        return client.request(target, data, headers, method=method, host=HOSTNAME)


def test_plain_requests_read_and_write(gateway: Gateway) -> None:
    made = ask(gateway, f"{API}/experiments/create", {"name": "plain"}, method="POST")
    assert made.status == 200
    found = ask(gateway, f"{API}/experiments/get-by-name?experiment_name=plain")
    assert json.loads(found.body)["experiment"]["experiment_id"] == json.loads(made.body)["experiment_id"]
    assert gateway.seen()[-1].target.startswith(b"/api/2.0/mlflow/experiments/get-by-name?")
    version = ask(gateway, "/version")
    assert (version.status, version.body.decode()) == (200, mlflow.__version__)
    assert ask(gateway, f"{API}/experiments/create", {"name": "no"}, method="POST", subject="bob").reason == (
        "operation-not-granted"
    )


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        ("/", "403 operation-not-allowed"),
        ("/graphql", "403 operation-not-allowed"),
        ("/ajax-api/2.0/mlflow/runs/get", "403 operation-not-allowed"),
        ("/tracking/api/2.0/mlflow/runs/get", "403 operation-not-allowed"),
        ("//api/2.0/mlflow/runs/get", "400 path-not-normalized"),
        ("/api/2.0/mlflow/../../../graphql", "400 path-not-normalized"),
    ],
)
def test_what_is_not_mlflow_s_api_is_refused_on_the_whole_host(gateway: Gateway, target: str, verdict: str) -> None:
    before = len(gateway.seen())
    assert ask(gateway, target).verdict == verdict
    assert len(gateway.seen()) == before


def test_the_stock_client_logs_a_run(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stock_client(gateway, monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", KEY)
    uri = f"https://{HOSTNAME}:{gateway.lab.listener('public')[1]}"
    client = MlflowClient(uri, uri)
    mlflow.set_tracking_uri(uri)
    try:
        run = client.create_run(client.create_experiment("by the client"))
        client.log_param(run.info.run_id, "depth", 7)
        client.log_text(run.info.run_id, "hello", "notes/one.txt")
        assert client.get_run(run.info.run_id).data.params == {"depth": "7"}
        read = client.download_artifacts(run.info.run_id, "notes/one.txt", str(tmp_path))
        assert Path(read).read_text("utf-8") == "hello"
    finally:
        mlflow.set_tracking_uri("")


@pytest.mark.parametrize("language", ["curl", "python"])
def test_examples_for_clients_run(gateway: Gateway, tmp_path: Path, language: Language) -> None:
    variables = environment(gateway, tmp_path, HOSTNAME) | {"API_KEY": KEY, "HOME": str(tmp_path)}
    variables["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(gateway.lab.ca_file)
    variables["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    done = run(language, example(gateway.stage.spec, "tracking", language, "jobs"), variables, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Default" in done.stdout


def test_no_other_route_of_the_listener_may_have_its_methods(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(example_with_key().replace("path: /tracking/*", "path: /*"), "utf-8")
    with pytest.raises(SpecError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == (
        "routes.app.match.path",
        "GET, POST, PATCH, PUT, DELETE /app/* is also taken by route tracking (line 48, /*)",
    )
