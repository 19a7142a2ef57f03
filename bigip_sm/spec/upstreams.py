"""The kinds of upstream: what a route can lead to, one model for each kind.

What a kind is by nature - how its requests are signed, which service has its hosts - is in class variables, so that no
other module asks for the name of a kind.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from bigip_sm.aws.hosts import SERVICES
from bigip_sm.spec.chat import JUMPSTART, ChatOptions
from bigip_sm.spec.forms import Form
from bigip_sm.spec.limits import Circuit
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.prompts import PromptTemplate
from bigip_sm.spec.scalars import Address, DeviceObject, EndpointName, Hostname, Model, Name, Region, Seconds
from bigip_sm.spec.upstream_scalars import (
    ApiId,
    BedrockModel,
    FunctionName,
    HeaderName,
    HeaderValue,
    MlflowAppArn,
    ModelName,
    OperationName,
    TargetModel,
    TrackingServerArn,
    UpstreamPath,
)

Scheme = Literal["sigv4", "bearer", "none"]
"""How a request proves whose it is: a signature over all of it, a token, or not at all, outside AWS."""

ClientHeader = Literal[
    "target-variant",
    "target-model",
    "target-container-hostname",
    "inference-component",
    "session-id",
    "input-location",
    "request-ttl-seconds",
    "invocation-timeout-seconds",
]
"""Headers of the SageMaker runtime that callers may be allowed to send, without ``X-Amzn-SageMaker-``."""


class Failover(Model):
    """When a request whose body the gateway has collected goes to another region after an answer of the first."""

    retries: Literal[0, 1] = Field(default=1, description="How often a request may go to another region")
    budget: Annotated[str, Field(pattern=r"^([1-9][0-9]?|100)%$"), Form("a share", "1% to 100%", "10%")] = Field(
        default="10%",
        description="Share of the upstream's requests in ten seconds that may; three always may",
    )
    billed: bool = Field(
        default=False,
        description="Also after failures of which it is not known that the model did no work: 500, 502, 503, 504, 530",
    )


class UpstreamRegion(Model):
    """One region of an upstream; one whose pool has an available member is used."""

    name: Region = Field(description="AWS region of the endpoint; requests are signed for it")
    vpc_endpoint: Hostname | None = Field(
        default=None, description="DNS name of the interface VPC endpoint to connect to"
    )
    private_dns: bool = Field(default=False, description="The service's public name resolves to the VPC endpoint")
    addresses: tuple[Address, ...] = Field(
        default=(), description="Addresses of the VPC endpoint's network interfaces, in place of its name"
    )
    route_domain: Annotated[int, Field(ge=0, le=65534)] = Field(
        default=0, description="Route domain of the BIG-IP that the addresses are in"
    )
    weight: int | None = Field(
        default=None, ge=0, le=100, description="With policy weighted: requests that it gets, percent; they sum to 100"
    )


class Monitor(Model):
    """How it is found out whether a server is up. Any answer over HTTP counts, since probes are unsigned."""

    interval: Seconds = Field(default=5, ge=1, le=299, description="How often each address is asked")
    timeout: Seconds = Field(
        default=16, ge=2, le=900, description="How long an address may give no answer before it is down"
    )
    time_until_up: Seconds = Field(
        default=0, ge=0, le=1800, description="How long it must have answered before it gets requests"
    )


class ReadinessMonitor(Monitor):
    """How it is found out whether a server of your own is up: by any answer over HTTP, or by that to a path."""

    path: UpstreamPath | None = Field(
        default=None,
        description="Path that must be answered with a status of 2xx, such as /health; default: any answer will do",
    )


class Server(Model):
    """What every upstream has that requests are sent to."""

    kind: str  # narrowed by each kind; here so that it is the first key
    timeout: Seconds = Field(
        default=70,
        ge=1,
        le=3600,
        description="How long a server may be silent before and within its answer; the longest of a listener counts",
    )
    monitor: Monitor = Field(default_factory=Monitor, description="When an address of it is up")
    slow_ramp: Seconds | None = Field(
        default=None,
        ge=0,
        le=900,
        description="How long an address that has come up gets less than its share beside others; default: TMOS's 10s",
    )
    in_flight: int | None = Field(
        default=None, ge=1, le=100_000, description="Requests at the model at one time; more are answered 503"
    )
    circuit: Circuit | None = Field(
        default=None, description="When a region that fails is skipped; {} for the defaults; default: never"
    )

    @property
    def speaks_openai(self) -> bool:
        """Whether callers speak OpenAI's API of chat completions."""
        return False


class AwsUpstream(Server):
    """What every upstream in AWS has."""

    scheme: ClassVar[Scheme] = "sigv4"
    service: ClassVar[str] = "runtime"  # key of aws.hosts.SERVICES

    role: Name = Field(description="Role, by its name under roles, that requests are signed with")
    regions: tuple[UpstreamRegion, ...] = Field(min_length=1, description="Regions in order of preference")
    policy: Literal["first", "weighted"] = Field(
        default="first",
        description="first: the first available region is used; weighted: requests are spread over the available ones",
    )
    failover: Failover = Field(
        default_factory=Failover, description="When another region gets what one region has answered"
    )
    fips: bool = Field(default=False, description="Sign for, and verify, the service's FIPS host names")

    @property
    def signing_service(self) -> str:
        """The service in the credential scope."""
        return SERVICES[self.service].signing


class EndpointUpstream(AwsUpstream):
    """What every upstream has that is a SageMaker endpoint."""

    endpoint: EndpointName = Field(description="Name of the SageMaker endpoint, exactly as in AWS")
    component: EndpointName | None = Field(default=None, description="Inference component that every request goes to")


class RuntimeUpstream(EndpointUpstream):
    """What every endpoint has whose requests are signed: SageMaker's own headers, set by the gateway."""

    variant: EndpointName | None = Field(default=None, description="Production variant that every request goes to")
    container: EndpointName | None = Field(
        default=None, description="Host name of the container, on endpoints with several"
    )
    identity_header: Literal["custom-attributes", "off"] = Field(
        default="custom-attributes", description="How the model learns who is calling: principal and route, or nothing"
    )


class SageMaker(RuntimeUpstream):
    """A SageMaker endpoint through InvokeEndpoint and its relatives, signed with SigV4."""

    kind: Literal["sagemaker"] = Field(description="SigV4, invocations")
    operation: Literal["invocations", "response-stream", "async"] = Field(
        default="invocations",
        description="invocations: one answer; response-stream: AWS's event stream; async: the answer goes to S3",
    )
    format: Literal["native", "openai", "text-generation"] = Field(
        default="native",
        description="native: bodies pass as they are; openai: callers are OpenAI clients and the container takes their "
        "messages at /invocations; text-generation: callers are OpenAI clients and the container takes inputs and "
        "parameters; an answer that streams comes as server-sent events",
    )
    prompt_template: PromptTemplate | None = Field(
        default=None,
        description="With format text-generation: how messages become a prompt; default: that of the JumpStart alias",
    )
    model: TargetModel | None = Field(default=None, description="Target model of a multi-model endpoint")
    client_headers: dict[ClientHeader, tuple[HeaderValue, ...]] = Field(
        default={},
        description="X-Amzn-SageMaker-... header that callers may send -> its values; one that ends in * is a prefix",
    )
    chat: ChatOptions = Field(default_factory=ChatOptions, description="What OpenAI clients write, and what is added")

    @property
    def speaks_openai(self) -> bool:
        """Whether callers speak OpenAI's API of chat completions."""
        return self.format != "native"

    @property
    def prompt(self) -> PromptTemplate | None:
        """How messages become a prompt; None if the container takes them as they are."""
        if self.format != "text-generation":
            return None
        known = JUMPSTART.get(self.chat.alias or "")
        return self.prompt_template or (known.prompt if known else None)


class SageMakerOpenAi(EndpointUpstream):
    """A SageMaker endpoint through its OpenAI-compatible path, with a bearer token."""

    scheme: ClassVar[Scheme] = "bearer"

    kind: Literal["sagemaker-openai"] = Field(description="bearer token, /openai/v1/chat/completions")
    chat: ChatOptions = Field(default_factory=ChatOptions, description="What clients write, and what is added")

    @property
    def speaks_openai(self) -> bool:
        """Whether callers speak OpenAI's API of chat completions."""
        return True


class SageMakerTensorFlow(RuntimeUpstream):
    """A TensorFlow Serving container behind a SageMaker endpoint, for clients of TensorFlow Serving's REST API."""

    kind: Literal["sagemaker-tensorflow"] = Field(description="SigV4, TensorFlow Serving's paths, invocations")
    models: dict[ModelName, tuple[Annotated[int, Field(ge=1, le=2**31)], ...]] = Field(
        min_length=1, description="Model -> versions that may be asked for; none: only the container's own choice"
    )
    methods: tuple[Literal["predict", "classify", "regress"], ...] = Field(
        default=("predict",), min_length=1, description="What may be asked of the models"
    )


class ApiGateway(AwsUpstream):
    """A private REST API of API Gateway."""

    service: ClassVar[str] = "execute_api"

    kind: Literal["api-gateway"] = Field(description="SigV4, a private REST API")
    api: ApiId = Field(description="Id of the REST API")
    path: UpstreamPath = Field(
        description="Path at the API, stage first; what follows a route's prefix is added to one that ends in /"
    )
    address_by: Literal["host", "header"] = Field(
        default="host",
        description="host: the API's own name; header: the VPC endpoint's name and x-apigw-api-id",
    )
    request_headers: tuple[HeaderName, ...] = Field(
        default=(), description="Headers of the caller that are passed on, beside Accept and Content-Type"
    )


class Bedrock(AwsUpstream):
    """Models of Amazon Bedrock."""

    service: ClassVar[str] = "bedrock"

    kind: Literal["bedrock"] = Field(description="SigV4, /model/<id>/invoke and its relatives")
    models: tuple[BedrockModel, ...] = Field(min_length=1, description="Ids of the models that may be asked for")
    operations: tuple[
        Literal["invoke", "converse", "invoke-with-response-stream", "converse-stream", "count-tokens"], ...
    ] = Field(default=("invoke", "converse"), min_length=1, description="What may be asked of them")


class SageMakerApi(AwsUpstream):
    """The API that manages SageMaker. Nothing is allowed that is not listed."""

    service: ClassVar[str] = "api"

    kind: Literal["sagemaker-api"] = Field(description="SigV4, operations of the SageMaker API by X-Amz-Target")
    operations: tuple[OperationName, ...] = Field(
        min_length=1, description="Operations that may be called, such as CreateTrainingJob"
    )


class Lambda(AwsUpstream):
    """A Lambda function."""

    service: ClassVar[str] = "lambda"

    kind: Literal["lambda"] = Field(description="SigV4, Invoke")
    function: FunctionName = Field(description="Name of the function")
    qualifier: FunctionName | None = Field(default=None, description="Version or alias of the function")
    invocation: Literal["request-response", "event"] = Field(
        default="request-response", description="request-response: wait for the answer; event: do not"
    )


class MlflowUpstream(AwsUpstream):
    """What MLflow on SageMaker has in all its forms: the REST API of MLflow, signed, and a header with its ARN."""

    arn_header: ClassVar[str]
    arn: str  # narrowed by each kind


class MlflowTracking(MlflowUpstream):
    """An MLflow tracking server of SageMaker."""

    service: ClassVar[str] = "mlflow_tracking"
    arn_header: ClassVar[str] = "x-mlflow-sm-tracking-server-arn"

    kind: Literal["mlflow-tracking"] = Field(description="SigV4, the REST API of MLflow on a tracking server")
    arn: TrackingServerArn = Field(description="ARN of the tracking server")


class MlflowApp(MlflowUpstream):
    """A serverless MLflow app of SageMaker."""

    service: ClassVar[str] = "mlflow_app"
    arn_header: ClassVar[str] = "x-sm-mlflow-app-arn"

    kind: Literal["mlflow-app"] = Field(description="SigV4, the REST API of MLflow of a serverless app")
    arn: MlflowAppArn = Field(description="ARN of the app")


class Http(Server):
    """A container of one's own, outside AWS: unsigned, over TLS. It never gets a credential of AWS."""

    scheme: ClassVar[Scheme] = "none"
    service: ClassVar[str] = "http"

    kind: Literal["http"] = Field(description="unsigned HTTPS, for a TensorFlow Serving or vLLM of one's own")
    host: Hostname = Field(description="Name of the server: sent as Host and SNI, and certified")
    addresses: tuple[Address, ...] = Field(default=(), description="Its addresses; default: its name is resolved")
    route_domain: Annotated[int, Field(ge=0, le=65534)] = Field(
        default=0, description="Route domain of the BIG-IP that the addresses are in"
    )
    port: int = Field(default=443, ge=1, le=65535, description="TCP port of the server")
    ca: DeviceObject | PemFile = Field(description="CA bundle that the server's certificate must chain to")
    path: UpstreamPath = Field(
        description="Path at the server; what follows a route's prefix is added to one that ends in /"
    )
    identity_header: HeaderName | None = Field(default=None, description="Header that names the caller to the server")
    request_headers: tuple[HeaderName, ...] = Field(
        default=(), description="Headers of the caller that are passed on, beside Accept and Content-Type"
    )
    monitor: ReadinessMonitor = Field(default_factory=ReadinessMonitor, description="When an address of it is up")

    @property
    def role(self) -> None:
        """There is none: nothing is signed."""
        return None

    @property
    def regions(self) -> tuple[UpstreamRegion, ...]:
        """There is none: it is not in AWS."""
        return ()

    @property
    def signing_service(self) -> str:
        """There is none."""
        return "none"


class ModelList(Model):
    """No server: the gateway itself answers which models the caller may use, as OpenAI's GET /v1/models does."""

    scheme: ClassVar[Scheme] = "none"
    service: ClassVar[str] = "none"

    kind: Literal["model-list"] = Field(description="the list of the models that the caller may use")

    @property
    def role(self) -> None:
        """There is none: nothing is signed."""
        return None

    @property
    def regions(self) -> tuple[UpstreamRegion, ...]:
        """There is none: it is not in AWS."""
        return ()

    @property
    def timeout(self) -> int:
        """Seconds; nothing is waited for."""
        return 1

    @property
    def speaks_openai(self) -> bool:
        """Whether callers speak OpenAI's API of chat completions: they only ask for its models."""
        return False

    @property
    def in_flight(self) -> None:
        """There is no bound: nothing is sent."""
        return None

    @property
    def circuit(self) -> None:
        """There is none: nothing is sent."""
        return None

    @property
    def signing_service(self) -> str:
        """There is none."""
        return "none"


Upstream = Annotated[
    SageMaker
    | SageMakerOpenAi
    | SageMakerTensorFlow
    | ApiGateway
    | Bedrock
    | SageMakerApi
    | Lambda
    | MlflowTracking
    | MlflowApp
    | Http
    | ModelList,
    Field(discriminator="kind"),
]
"""Any upstream, told apart by ``kind``."""

KINDS: dict[str, type[Model]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(get_args(Upstream)[0])
}
"""Kind -> its model."""


def service_of(kind: str | None) -> str:
    """Whose hosts an upstream of ``kind`` has, as a key of ``SERVICES``; the runtime's if there is no such kind."""
    service: str = getattr(KINDS.get(kind or "", AwsUpstream), "service", AwsUpstream.service)
    return service
