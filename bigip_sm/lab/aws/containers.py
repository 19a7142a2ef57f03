"""Model containers of the lab beside the classifier and the chat model."""

from __future__ import annotations

import json
import re

from bigip_sm.lab.aws.endpoints import ContainerRequest
from bigip_sm.lab.http import Response

_ATTRIBUTE = re.compile(r"(tfs-[a-z-]+)=([^,]+)")
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


def _json(status: int, answer: object) -> Response:
    return Response(status, [("Content-Type", "application/json")], json.dumps(answer).encode())
