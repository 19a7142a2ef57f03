"""Scalar values of upstreams: names in AWS, headers, paths."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from bigip_sm.spec.forms import Form
from bigip_sm.spec.scalars import reachable_path

_HOP_BY_HOP = frozenset({"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
_OF_THE_BODY = frozenset({"accept", "accept-encoding", "content-encoding", "content-length", "content-type"})
_OF_THE_CALLER = frozenset(
    {"authorization", "cookie", "forwarded", "host", "proxy-authorization", "via", "x-request-id", "x-apigw-api-id"}
)
_NOT_PASSED = _HOP_BY_HOP | _OF_THE_BODY | _OF_THE_CALLER
"""Headers that the gateway sets or removes itself, or that hold a credential."""


def _callers_header(value: str) -> str:
    if value in _NOT_PASSED or value.startswith(("x-amz", "x-gateway-")):
        raise ValueError(f"{value} is not the caller's to send; choose another header")
    return value


HeaderValue = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_./:-]{1,255}\*?$|^\*$"),
    Form("the value of a header", "1 to 255 letters, digits and _./:-", "churn/v7.tar.gz"),
]
TargetModel = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_./:-]{1,255}$"),
    Form("the name of a model's artifact", "1 to 255 letters, digits and _./:-", "churn/v7.tar.gz"),
]
HeaderName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{0,62}$"),
    AfterValidator(_callers_header),
    Form("the name of a header", "a name in lower case", "x-tenant"),
]
ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$"),
    Form("the name of a model", "1 to 100 letters, digits and _.-", "churn"),
]
ModelId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$"),
    Form("the name of a model", "1 to 128 letters, digits and _.:/-", "jumpstart-llama-3-3-70b"),
]
BedrockModel = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"),
    Form(
        "the id of a Bedrock model or inference profile",
        "its id and not its ARN",
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
    ),
]
ApiId = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]{10}$"),
    Form("the id of a REST API", "10 lower-case letters and digits", "a1b2c3d4e5"),
]
FunctionName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$"),
    Form("the name of a Lambda function", "1 to 64 letters, digits, - and _", "score"),
]
OperationName = Annotated[
    str,
    Field(pattern=r"^[A-Z][A-Za-z0-9]{2,63}$"),
    Form("an operation of the SageMaker API", "its name as in AWS's reference", "CreateTrainingJob"),
]
TrackingServerArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws(-us-gov)?:sagemaker:[a-z0-9-]{1,32}:[0-9]{12}:mlflow-tracking-server/[A-Za-z0-9-]{1,256}$"
    ),
    Form(
        "the ARN of an MLflow tracking server",
        "its ARN, in the partition aws or aws-us-gov",
        "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/experiments",
    ),
]
MlflowAppArn = Annotated[
    str,
    Field(pattern=r"^arn:aws(-us-gov)?:sagemaker:[a-z0-9-]{1,32}:[0-9]{12}:mlflow-app/[A-Za-z0-9-]{1,256}$"),
    Form(
        "the ARN of an MLflow app",
        "its ARN, in the partition aws or aws-us-gov",
        "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-0123456789ab",
    ),
]
UpstreamPath = Annotated[
    str,
    Field(pattern=r"^/[A-Za-z0-9._~/-]{0,511}$"),
    AfterValidator(reachable_path),
    Form("a path", "a path of letters, digits and ._~/-", "/prod/score"),
]
