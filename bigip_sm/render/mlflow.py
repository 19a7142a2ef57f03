"""What the iRule knows of MLflow's REST API: what is passed on, and which of it reads although it is a POST.

Source: the routes of mlflow 3.17 (``mlflow.server.handlers.get_endpoints``); a test holds them against those of the
installed release.
"""

from __future__ import annotations

ENTITIES = (
    "artifacts",
    "datasets",
    "experiments",
    "get-online-trace-details",
    "issues",
    "label-schemas",
    "logged-models",
    "metrics",
    "model-versions",
    "prompt-optimization",
    "registered-models",
    "review-queues",
    "runs",
    "scorers",
    "server-info",
    "traces",
    "unified-traces",
)
"""What follows ``/api/2.0/mlflow/`` or ``/api/3.0/mlflow/``.

``gateway`` (it keeps secrets), ``webhooks`` (the server calls addresses that callers give it) and ``workspaces`` are
not among them.
"""

SEARCHES = (
    "api/2.0/mlflow/artifacts/presigned-download-url",
    "api/2.0/mlflow/experiments/search",
    "api/2.0/mlflow/logged-models/search",
    "api/2.0/mlflow/registered-models/get-latest-versions",
    "api/2.0/mlflow/runs/search",
    "api/3.0/mlflow/datasets/search",
    "api/3.0/mlflow/issues/search",
    "api/3.0/mlflow/prompt-optimization/jobs/search",
    "api/3.0/mlflow/traces/batchGetInfos",
    "api/3.0/mlflow/traces/calculate-filter-correlation",
    "api/3.0/mlflow/traces/metrics",
    "api/3.0/mlflow/traces/search",
)
"""POST on these only reads. GET and HEAD read everywhere; everything else writes."""

CLIENT_HEADERS = (("x-mlflow-experiment-id", ("*",)),)
"""Headers of MLflow's own clients that the server needs: where spans go that come as OpenTelemetry."""
