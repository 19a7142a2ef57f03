"""The request headers of the SageMaker runtime: which exist, and what they may hold (AWS sheet, section 1.2).

Source: botocore's model of sagemaker-runtime 2017-05-13. Every other header is dropped before the container.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bigip_sm.lab.aws import refusal

_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"


class _Limit(NamedTuple):
    """A header: its member name in AWS's messages, its longest value in bytes, and the pattern of its value."""

    member: str
    longest: int
    pattern: str


_LIMITS = {
    "content-type": _Limit("contentType", 1024, r"[\x00-\x7f]*"),
    "accept": _Limit("accept", 1024, r"[\x00-\x7f]*"),
    "x-amzn-sagemaker-custom-attributes": _Limit("customAttributes", 1024, r"[\x20-\x7e]*"),
    "x-amzn-sagemaker-target-model": _Limit("targetModel", 1024, r"[\x21-\x7e][\x20-\x7e]*"),
    "x-amzn-sagemaker-target-variant": _Limit("targetVariant", 63, _NAME),
    "x-amzn-sagemaker-target-container-hostname": _Limit("targetContainerHostname", 63, _NAME),
    "x-amzn-sagemaker-inference-id": _Limit("inferenceId", 64, r"[\x21-\x7e][\x20-\x7e]*"),
    "x-amzn-sagemaker-enable-explanations": _Limit("enableExplanations", 64, r".+"),
    "x-amzn-sagemaker-inference-component": _Limit("inferenceComponentName", 63, _NAME),
    "x-amzn-sagemaker-accept": _Limit("accept", 1024, r"[\x00-\x7f]*"),
    "x-amzn-sagemaker-content-type": _Limit("contentType", 1024, r"[\x00-\x7f]*"),
    "x-amzn-sagemaker-inputlocation": _Limit("inputLocation", 1024, r"(https|s3)://([^/]+)/?(.*)"),
    "x-amzn-sagemaker-requestttlseconds": _Limit("requestTTLSeconds", 5, r"[1-9][0-9]+"),
    "x-amzn-sagemaker-invocationtimeoutseconds": _Limit("invocationTimeoutSeconds", 4, r"[1-9][0-9]*"),
    "x-amzn-sagemaker-s3outputpathextension": _Limit("s3OutputPathExtension", 512, r"[\x21-\x7e]+"),
    "x-amzn-sagemaker-filename": _Limit("filename", 32, r"[\x21-\x7e]+"),
    "x-amzn-sagemaker-session-id": _Limit("sessionId", 256, r"NEW_SESSION|[a-zA-Z0-9](-*[a-zA-Z0-9])*"),
}


_PREFIX = "x-amzn-sagemaker-"
_USUAL = {f"{_PREFIX}accept": "accept", f"{_PREFIX}content-type": "content-type"}
_ALL = {f"{_PREFIX}custom-attributes", f"{_PREFIX}inference-id"}
_ROUTING = {f"{_PREFIX}{name}" for name in ("target-variant", "target-container-hostname", "inference-component")}
OPENAI = "openai"
"""The operation of the OpenAI-compatible path, which is in no model of an SDK."""

_DEFINED = {
    "invocations": {
        "content-type",
        "accept",
        *_ALL,
        *_ROUTING,
        *(f"{_PREFIX}{name}" for name in ("target-model", "enable-explanations", "session-id")),
    },
    "invocations-response-stream": {
        "content-type",
        f"{_PREFIX}accept",
        *_ALL,
        *_ROUTING,
        f"{_PREFIX}session-id",
    },
    "async-invocations": {
        *_ALL,
        *(
            f"{_PREFIX}{name}"
            for name in (
                "accept",
                "content-type",
                "inputlocation",
                "requestttlseconds",
                "invocationtimeoutseconds",
                "s3outputpathextension",
                "filename",
            )
        ),
    },
    OPENAI: {"content-type", "accept"},
}
"""Operation -> the headers that it has (AWS sheet, section 1.2)."""


def container_headers(
    headers: Sequence[tuple[bytes, bytes]], operation: str = "invocations"
) -> tuple[tuple[str, str], ...]:
    """The headers that the API defines for ``operation``, names in lower case; all others are dropped.

    What is another header for an asynchronous invocation or a stream reaches the container under its usual name.

    Raises Refusal for a value that is too long or has other characters, and for a header that is there twice.
    """
    kept: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        if operation == OPENAI and name == f"{_PREFIX}inference-component":
            raise refusal.validation("Inference components are addressed by path on the OpenAI-compatible path.")
        if name not in _DEFINED[operation]:
            continue
        limit = _LIMITS[name]
        value = raw_value.decode("latin-1").strip(" \t")
        if len(value) > limit.longest:
            raise _violation(limit, f"have length less than or equal to {limit.longest}")
        if name in kept or not re.fullmatch(limit.pattern, value):
            raise _violation(limit, f"satisfy regular expression pattern: {limit.pattern}")
        kept[_USUAL.get(name, name)] = value
    return tuple(kept.items())


def _violation(limit: _Limit, rule: str) -> refusal.Refusal:
    return refusal.validation(
        f"1 validation error detected: Value at '{limit.member}' failed to satisfy constraint: Member must {rule}"
    )
