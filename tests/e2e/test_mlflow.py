"""The stock MLflow client and plain curl, with nothing of AWS on them, against MLflow's own server behind SigV4.

The gateway is that of declarations/mlflow, as docs/mlflow.md describes it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import pytest
from examples_kit import environment, run
from gateway_kit import Answer, Gateway, running_gateway
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow_kit import HOSTNAME, KEY, example_with_key, stock_client

from bigip_sm.lab.aws.refusal import Refusal
from bigip_sm.lab.aws.runtime import ACCEPTED, Fault, throttled, unavailable
from bigip_sm.render.examples import Language, example
from bigip_sm.render.mlflow import ENTITIES, SEARCHES

FLAVOURS = {
    "tracking": ("sagemaker-mlflow", "x-mlflow-sm-tracking-server-arn", "us-east-1.experiments.sagemaker.aws"),
    "app": ("sagemaker", "x-sm-mlflow-app-arn", "mlflow.sagemaker.us-east-1.app.aws"),
}
JSON = [("Content-Type", "application/json")]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "gateway.yaml").write_text(example_with_key())
    with running_gateway(folder / "gateway.yaml", folder) as running:
        yield running


Use = Callable[..., MlflowClient]


@pytest.fixture
def use(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Makes a client of a flavour, as the nightly job by its key or as a person by a certificate."""
    stock_client(gateway, monkeypatch)

    def make(flavour: str, subject: str | None = None) -> MlflowClient:
        if subject is None:
            monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", KEY)
        else:
            files = gateway.lab.client(subject)
            both = Path(files.certificate).with_suffix(".pem")
            both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
            monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(both))
        uri = uri_of(gateway, flavour)
        mlflow.set_tracking_uri(uri)
        return MlflowClient(uri, uri)

    yield make
    mlflow.set_tracking_uri("")


def uri_of(gateway: Gateway, flavour: str) -> str:
    return f"https://{HOSTNAME}:{gateway.lab.listener('public')[1]}/{flavour}"


def ask(
    gateway: Gateway, target: str, body: Any = None, *, method: str = "GET", subject: str | None = "alice"
) -> Answer:
    with gateway.client(subject, hostname=HOSTNAME) as client:
        data = b"" if body is None else json.dumps(body).encode()
        return client.request(target, data, JSON if data else (), method=method, host=HOSTNAME)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_training_run_is_logged_and_read_back(gateway: Gateway, use: Use, flavour: str, tmp_path: Path) -> None:
    client = use(flavour)
    name = f"churn & more +1% {flavour}"
    experiment = client.create_experiment(name, tags={"team": "fraud"})
    run = client.create_run(experiment, run_name="first")
    client.log_batch(
        run.info.run_id,
        metrics=[Metric("auc", 0.9 + step / 100, int(time.time() * 1000), step) for step in range(3)],
        params=[Param("depth", "7"), Param("query", "a=b&c d+e/ü")],
    )
    client.log_metric(run.info.run_id, "loss", 0.25)
    model = tmp_path / "model pkl.bin"
    model.write_bytes(os.urandom(3_000_000))
    client.log_artifact(run.info.run_id, str(model), "models/v 1")
    client.set_terminated(run.info.run_id)

    found = client.get_experiment_by_name(name)
    assert found is not None
    assert (found.experiment_id, found.tags["team"]) == (experiment, "fraud")
    back = client.get_run(run.info.run_id)
    assert back.data.params == {"depth": "7", "query": "a=b&c d+e/ü"}
    assert back.data.metrics == {"auc": 0.92, "loss": 0.25}
    assert back.info.status == "FINISHED"
    assert [one.value for one in client.get_metric_history(run.info.run_id, "auc")] == [0.9, 0.91, 0.92]
    (hit,) = client.search_runs([experiment], "params.depth = '7' and metrics.auc > 0.5")
    assert hit.info.run_id == run.info.run_id

    registered = f"churn {flavour}"
    client.create_registered_model(registered)
    version = client.create_model_version(registered, f"{back.info.artifact_uri}/models", run.info.run_id)
    client.set_registered_model_alias(registered, "champion", version.version)
    assert client.get_model_version_by_alias(registered, "champion").run_id == run.info.run_id
    assert [one.version for one in client.search_model_versions(f"name = '{registered}'")] == [version.version]

    assert [one.path for one in client.list_artifacts(run.info.run_id, "models/v 1")] == ["models/v 1/model pkl.bin"]
    (tmp_path / "back").mkdir()
    read = client.download_artifacts(run.info.run_id, "models/v 1/model pkl.bin", str(tmp_path / "back"))
    assert Path(read).read_bytes() == model.read_bytes()

    service, header, host = FLAVOURS[flavour]
    seen = gateway.seen()[-1]
    assert seen.verdict == ACCEPTED
    assert seen.sni == host
    authorization = seen.values("authorization")[0].decode()
    assert f"/us-east-1/{service}/aws4_request" in authorization
    assert header in authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert [KEY.encode() in value for _, value in seen.headers].count(True) == 0, "the caller's key goes no further"


def test_a_model_of_the_fluent_api(use: Use) -> None:
    use("tracking", "alice")
    mlflow.set_experiment("fluent")
    with mlflow.start_run() as run:
        mlflow.log_params({"a": 1})
        mlflow.log_dict({"k": [1, 2]}, "data.json")
        mlflow.log_text("hello", "notes/one.txt")
        mlflow.set_tag("by", "alice")
    frame: Any = mlflow.search_runs(experiment_names=["fluent"], output_format="list")
    assert [one.info.run_id for one in frame] == [run.info.run_id]
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/data.json") == {"k": [1, 2]}


def test_who_may_read_may_not_write(gateway: Gateway, use: Use) -> None:
    writer = use("tracking", "alice")
    experiment = writer.create_experiment("for readers")
    run = writer.create_run(experiment)
    writer.log_text(run.info.run_id, "text", "note.txt")
    reader = use("tracking", "bob")
    assert reader.get_run(run.info.run_id).info.experiment_id == experiment
    assert [one.info.run_id for one in reader.search_runs([experiment])] == [run.info.run_id]
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt") == "text"
    before = len(gateway.seen())
    for write in (
        lambda: reader.create_experiment("not for readers"),
        lambda: reader.log_metric(run.info.run_id, "m", 1.0),
        lambda: reader.log_text(run.info.run_id, "text", "more.txt"),
        lambda: reader.delete_run(run.info.run_id),
    ):
        with pytest.raises(Exception, match=r"403|operation-not-granted"):
            write()
    writes = [seen for seen in gateway.seen()[before:] if seen.method != "GET"]
    assert not writes, "nothing of it reached AWS"


@cache
def routes() -> tuple[tuple[str, str], ...]:
    """Method and path of every route of the installed MLflow; its server is not imported here, which warns of much."""
    program = (
        "import json; from mlflow.server.handlers import get_endpoints as g; print(json.dumps("
        "[[m, str(p)] for p, _, ms in g(lambda h: h) for m in ms]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=120)
    return tuple((method, path) for method, path in json.loads(done.stdout.splitlines()[-1]))


def classified() -> dict[tuple[str, str], str]:
    """Method and path of every route of the installed MLflow -> what the gateway should make of it."""
    reads = {f"/{path}" for path in SEARCHES}
    found = {}
    for method, path in routes():
        part = path.split("/")
        known = part[1] == "api" and (part[3] == "mlflow-artifacts" or (len(part) > 4 and part[4] in ENTITIES))
        reading = method == "GET" or path in reads
        found[method, path] = ("read" if reading else "write") if known else "refused"
    return found


def test_every_route_of_mlflow_reads_or_writes_or_is_refused(gateway: Gateway) -> None:
    """Asked by who may only read: what writes is refused as a write, what is not MLflow's API as such."""
    expected = {"read": "", "write": "operation-not-granted", "refused": "operation-not-allowed"}
    before = len(gateway.seen())
    wrong = []
    with gateway.client("bob", hostname=HOSTNAME) as client:
        for (method, path), kind in sorted(classified().items()):
            if kind == "read":
                continue
            target = "/tracking" + path.replace("<path:", "<").replace("<", "x").replace(">", "")
            answer = client.request(target, b"", method=method, host=HOSTNAME)
            if answer.reason != expected[kind]:
                wrong.append((method, path, kind, answer.verdict))
    assert not wrong
    assert len(gateway.seen()) == before


def test_what_reads_by_post_is_known_in_full() -> None:
    """Every POST of MLflow whose name says that it reads is listed, and everything listed is a route of MLflow."""
    posts = {path.removeprefix("/") for method, path in classified() if method == "POST"}
    assert set(SEARCHES) <= posts
    words = ("search", "/get", "batchGet", "list", "/metrics", "calculate", "download")
    looks = {path for path in posts if path.startswith("api/") and any(word in path for word in words)}
    # The first gets or creates; the second is a route of MLflow with a slash missing, which no client asks for.
    assert looks - set(SEARCHES) <= {
        "api/3.0/mlflow/review-queues/get-or-create-user",
        "api/2.0mlflow/experiments/search-datasets",
    } | {path for path in looks if path.split("/")[3] in ("gateway", "webhooks", "workspaces")}


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "graphql",
            "ajax-api/2.0/mlflow/runs/get",
            "api/2.0/mlflow",
            "api/2.0/mlflow/",
            "api/2.0/mlflow/webhooks",
        ),
        *("api/3.0/mlflow/gateway/secrets/list", "api/2.0/mlflow/RUNS/get", "api/4.0/mlflow/runs/get", "static/x.js"),
        *("api/2.0/mlflow-artifacts", "api/2.0/mlflow-artifacts/other/x", "health", "metrics", "version/x"),
    ],
)
def test_what_is_not_mlflow_s_api_is_refused(gateway: Gateway, path: str) -> None:
    before = len(gateway.seen())
    assert ask(gateway, f"/tracking/{path}").verdict == "403 operation-not-allowed"
    assert len(gateway.seen()) == before


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_answers_of_mlflow_come_as_they_are(gateway: Gateway, flavour: str) -> None:
    answer = ask(gateway, f"/{flavour}/api/2.0/mlflow/experiments/get?experiment_id=987654321")
    assert (answer.status, json.loads(answer.body)["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    answer = ask(gateway, f"/{flavour}/api/2.0/mlflow/runs/create", {"experiment_id": ["wrong"]}, method="POST")
    assert (answer.status, json.loads(answer.body)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    answer = ask(gateway, f"/{flavour}/version")
    assert (answer.status, answer.body.decode()) == (200, mlflow.__version__)


def test_the_query_is_canonical(gateway: Gateway) -> None:
    name = ask(gateway, "/tracking/api/2.0/mlflow/experiments/create", {"name": "a b+c/d"}, method="POST")
    assert name.status == 200
    for query in ("experiment_name=a+b%2Bc/d", "experiment_name=a%20b%2bc%2Fd"):
        answer = ask(gateway, f"/tracking/api/2.0/mlflow/experiments/get-by-name?{query}")
        assert json.loads(answer.body)["experiment"]["name"] == "a b+c/d"
        assert gateway.seen()[-1].target.endswith(b"?experiment_name=a%20b%2Bc%2Fd")


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (throttled(), 400, "ThrottlingException"),
        (unavailable(), 503, "ServiceUnavailable"),
        (Fault(Refusal(500, "InternalFailure", "no")), 500, "InternalFailure"),
        (Fault(Refusal(403, "AccessDeniedException", "User: arn:aws:sts::1:x is not authorized")), 502, ""),
        (Fault(Refusal(403, "ExpiredTokenException", "expired")), 502, ""),
    ],
    ids=["throttled", "unavailable", "failure", "denied", "expired"],
)
def test_errors_of_aws(gateway: Gateway, use: Use, fault: Fault, status: int, told: str) -> None:
    client = use("tracking", "alice")
    gateway.lab.cloud.runtime.faults.append(fault)
    answer = ask(gateway, "/tracking/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert answer.status == status
    assert answer.headers.get("x-amzn-errortype", "") == told
    assert answer.reason == ("" if told else "aws-refused")
    assert b"arn:aws:sts" not in answer.body
    gateway.lab.cloud.runtime.faults.append(fault)
    with pytest.raises(MlflowException, match=str(status) if status != 400 else "."):
        client.get_experiment("0")


def test_artifacts_go_up_to_the_limit_and_come_down_in_any_size(gateway: Gateway, use: Use, tmp_path: Path) -> None:
    client = use("tracking", "alice")
    run = client.create_run(client.create_experiment("sizes"))
    large = tmp_path / "large.bin"
    large.write_bytes(b"\0" * (8 * 1024**2 + 1))
    with pytest.raises(Exception, match="413"):
        client.log_artifact(run.info.run_id, str(large))
    # What is larger in the store, because it came another way, comes down.
    assert gateway.lab.mlflow.folder is not None
    stored = gateway.lab.mlflow.folder / "artifacts" / run.info.artifact_uri.partition("mlflow-artifacts:/")[2]
    stored.mkdir(parents=True, exist_ok=True)
    block = os.urandom(1024**2)
    (stored / "huge.bin").write_bytes(block * 24)
    read = client.download_artifacts(run.info.run_id, "huge.bin", str(tmp_path))
    assert Path(read).read_bytes() == block * 24


def test_artifacts_in_s3_need_keys_of_aws(use: Use, tmp_path: Path) -> None:
    """The limit that docs/mlflow.md describes: clients go to S3 by themselves, and say what they miss."""
    client = use("tracking", "alice")
    run = client.create_run(client.create_experiment("in s3", "s3://bucket/experiments"))
    file = tmp_path / "a.txt"
    file.write_text("a")
    with pytest.raises(Exception, match=r"Unable to locate credentials|NoCredentials"):
        client.log_artifact(run.info.run_id, str(file))


def test_curl(gateway: Gateway) -> None:
    port = gateway.lab.listener("public")[1]

    def curl(*arguments: str) -> Any:
        command = [
            *("curl", "-sS", "--noproxy", "*", "--cacert", str(gateway.lab.ca_file)),
            *("--connect-to", f"{HOSTNAME}:443:127.0.0.1:{port}", "-H", f"Authorization: Bearer {KEY}", *arguments),
        ]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)

    base = f"https://{HOSTNAME}/app/api/2.0/mlflow"
    made = curl("--json", '{"name": "by curl"}', f"{base}/experiments/create")
    found = curl("-G", "--data-urlencode", "experiment_name=by curl", f"{base}/experiments/get-by-name")
    assert found["experiment"]["experiment_id"] == made["experiment_id"]


@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_examples_for_clients_run(gateway: Gateway, tmp_path: Path, language: Language, flavour: str) -> None:
    variables = environment(gateway, tmp_path, HOSTNAME) | {"API_KEY": KEY, "HOME": str(tmp_path)}
    variables["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(gateway.lab.ca_file)
    variables["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    done = run(language, example(gateway.stage.spec, flavour, language, "jobs"), variables, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Default" in done.stdout
    assert gateway.seen()[-1].sni == FLAVOURS[flavour][2]


@pytest.mark.parametrize("headers", [[], [("Authorization", "Bearer wrong-key-wrong-key-wrong-key")]])
def test_unknown_callers_are_refused(gateway: Gateway, headers: list[tuple[str, str]]) -> None:
    with gateway.client(None, hostname=HOSTNAME) as client:
        answer = client.request("/tracking/version", b"", headers, method="GET", host=HOSTNAME)
    assert answer.status == 401
