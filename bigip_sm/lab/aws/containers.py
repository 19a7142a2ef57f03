"""Model containers of the lab beside the classifier and the chat model."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from bigip_sm.lab.aws.endpoints import ContainerRequest
from bigip_sm.lab.http import Response

WORDS = ("An ", "answer ", "as ", "generated ", "text: ", "\u00e9 ", "\U0001f600.")
"""What the text-generation container says, token by token."""

_ATTRIBUTE = re.compile(r"(tfs-[a-z-]+)=([^,]+)")
_MEMBERS = {"inputs", "parameters", "stream"}
_TYPES = ("application/json", "application/jsonlines", "application/jsons", "text/csv")


async def tensorflow(request: ContainerRequest) -> Response:
    """SageMaker's TensorFlow Serving container: says which of TensorFlow Serving's paths it would have called.

    It reads the custom attributes with its own pattern and compares the whole content type
    (aws/sagemaker-tensorflow-serving-container).
    """
    attributes = dict(_ATTRIBUTE.findall(request.header("x-amzn-sagemaker-custom-attributes") or ""))
    if request.header("content-type") not in _TYPES:
        return _json(415, {"error": "Unsupported Media Type"})
    if "tfs-model-name" not in attributes:
        return _json(400, {"error": "no model name"})
    version = f"/versions/{attributes['tfs-model-version']}" if "tfs-model-version" in attributes else ""
    path = f"/tfs/v1/models/{attributes['tfs-model-name']}{version}:{attributes.get('tfs-method', 'predict')}"
    try:
        asked = json.loads(request.body) if request.header("content-type") == "application/json" else {}
    except ValueError:
        return _json(400, {"error": "JSON Parse error"})
    instances = asked.get("instances", []) if isinstance(asked, dict) else asked
    return _json(200, {"predictions": [[0.25, 0.75] for _ in instances], "called": path})


async def text_generation(request: ContainerRequest) -> Response:
    """A container that takes ``inputs`` and ``parameters``, as Text Generation Inference and DJL Serving do.

    It answers ``[{"generated_text": ...}]``, and with ``"stream": true`` server-sent events of one token each.
    """
    try:
        asked = json.loads(request.body)
        prompt, parameters = asked["inputs"], asked.get("parameters", {})
    except (ValueError, KeyError, TypeError):
        return _json(422, {"error": "Input validation error: `inputs` is missing", "error_type": "validation"})
    if not isinstance(prompt, str) or not isinstance(parameters, dict) or set(asked) - _MEMBERS:
        return _json(422, {"error": "Input validation error", "error_type": "validation"})
    words = WORDS[: parameters.get("max_new_tokens", len(WORDS))]
    reason = "length" if len(words) < len(WORDS) else "eos_token"
    details = {"finish_reason": reason, "generated_tokens": len(words)}
    if asked.get("stream") is True:
        return Response(200, [("Content-Type", "text/event-stream")], _tokens(words, details))
    answer: dict[str, Any] = {"generated_text": "".join(words)}
    if parameters.get("details"):
        answer["details"] = details
    return _json(200, [answer])


async def _tokens(words: tuple[str, ...], details: dict[str, Any]) -> AsyncIterator[bytes]:
    for index, word in enumerate(words):
        last = index == len(words) - 1
        token = {"id": index, "text": word, "logprob": -0.1, "special": False}
        event = {
            "index": index,
            "token": token,
            "generated_text": "".join(words) if last else None,
            "details": details if last else None,
        }
        text = f"data:{json.dumps(event)}\n\n".encode()
        yield text[: len(text) // 2]
        yield text[len(text) // 2 :]


def _json(status: int, answer: object) -> Response:
    return Response(status, [("Content-Type", "application/json")], json.dumps(answer).encode())
