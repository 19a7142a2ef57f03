"""The API that manages SageMaker: JSON 1.1, the operation in X-Amz-Target (botocore's model of sagemaker)."""

from __future__ import annotations

import json
from typing import Any

from bigip_sm.lab.aws import refusal
from bigip_sm.lab.aws.apis.api import Pending
from bigip_sm.lab.aws.refusal import ACCOUNT, Refusal
from bigip_sm.lab.http import Request, Response

MEDIA_TYPE = "application/x-amz-json-1.1"
_JOB = "TrainingJobName"


class ManagementApi:
    """Training jobs: they can be created, described, listed and stopped. ``jobs`` holds their requests by name."""

    signing = "sagemaker"

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}

    def admit(self, request: Request, region: str) -> Pending:
        """Check target, content type and body."""
        operations = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "ListTrainingJobs": self._list,
            "StopTrainingJob": self._stop,
        }
        targets = request.values("x-amz-target")
        prefix, _, name = (targets[0] if len(targets) == 1 else "").partition(".")
        if request.method != "POST" or request.target != b"/" or prefix != "SageMaker" or name not in operations:
            raise Refusal(400, "UnknownOperationException", None)
        if request.values("content-type") != [MEDIA_TYPE]:
            raise Refusal(400, "SerializationException", "The content type is not that of JSON 1.1")
        try:
            asked = json.loads(request.body)
        except ValueError:
            raise Refusal(400, "SerializationException", "The body is not JSON") from None
        result = operations[name](asked, region)

        async def answer(request_id: str) -> Response:
            headers = [("x-amzn-RequestId", request_id), ("Content-Type", MEDIA_TYPE)]
            return Response(200, headers, json.dumps(result).encode() if result is not None else b"")

        return answer

    def refuse(self, refusal_: Refusal, request_id: str) -> Response:
        """JSON 1.1: the type is in the body."""
        body = {"__type": refusal_.kind, "message": refusal.full_message(refusal_)}
        headers = [("x-amzn-RequestId", request_id), ("Content-Type", MEDIA_TYPE)]
        return Response(refusal_.status, headers, json.dumps(body).encode())

    def _create(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        name = str(asked.get(_JOB, ""))
        missing = [key for key in (_JOB, "RoleArn", "OutputDataConfig", "ResourceConfig") if key not in asked]
        if missing:
            raise Refusal(400, "ValidationException", f"{', '.join(missing)}: must not be null")
        if name in self.jobs:
            raise Refusal(400, "ResourceInUse", f"Job name must be unique within an account and region: {name}")
        self.jobs[name] = asked
        return {"TrainingJobArn": _arn(region, name)}

    def _describe(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        job = self._known(asked)
        return {**job, "TrainingJobArn": _arn(region, job[_JOB]), "TrainingJobStatus": "InProgress"}

    def _list(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        summaries = [{_JOB: name, "TrainingJobArn": _arn(region, name), "CreationTime": 0} for name in self.jobs]
        return {"TrainingJobSummaries": summaries}

    def _stop(self, asked: dict[str, Any], region: str) -> None:
        self._known(asked)

    def _known(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = str(asked.get(_JOB, ""))
        if name not in self.jobs:
            raise Refusal(400, "ValidationException", "Requested resource not found.")
        return self.jobs[name]


def _arn(region: str, name: str) -> str:
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:training-job/{name}"
