"""What callers may do with an upstream: its operations, and which of them a route offers to whom."""

from __future__ import annotations

from typing import Literal, get_args

Operation = Literal["infer", "infer:stream", "train", "mlflow:read", "mlflow:write"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

CONTROL_PLANE: frozenset[Operation] = frozenset({"train"})
"""Operations that no route offers unless it says so, and only to callers who are named for it."""

_OF_KIND: dict[str, tuple[Operation, ...]] = {
    "sagemaker-openai": ("infer", "infer:stream"),
    "sagemaker-api": ("train",),
    "mlflow-tracking": ("mlflow:read", "mlflow:write"),
    "mlflow-app": ("mlflow:read", "mlflow:write"),
}


def operations_of(kind: str, how: str | None = None) -> tuple[Operation, ...]:
    """The operations that requests to upstreams of ``kind`` can be; ``how`` is the key ``operation`` of the upstream.

    Where a request does not show whether its answer will stream, ``infer`` is both.
    """
    if kind == "sagemaker" and how == "response-stream":
        return ("infer:stream",)
    return _OF_KIND.get(kind, ("infer",))
