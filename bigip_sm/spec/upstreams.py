"""The kinds of upstream: what a route can lead to, one model for each kind.

What a kind is by nature - how its requests are signed, which service has its hosts - is in class variables, so that no
other module asks for the name of a kind.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from bigip_sm.aws.hosts import SERVICES
from bigip_sm.spec.limits import Circuit
from bigip_sm.spec.scalars import EndpointName, Hostname, Model, Name, Region, Seconds

Scheme = Literal["sigv4", "bearer"]
"""How a request proves whose it is: a signature over all of it, or a token."""


class UpstreamRegion(Model):
    """One region of an upstream; the first one whose pool has an available member is used."""

    name: Region = Field(description="AWS region of the endpoint; requests are signed for it")
    vpc_endpoint: Hostname | None = Field(
        default=None, description="DNS name of the interface VPC endpoint to connect to"
    )
    private_dns: bool = Field(default=False, description="The public runtime name resolves to the VPC endpoint")


class AwsUpstream(Model):
    """What every upstream in AWS has."""

    scheme: ClassVar[Scheme] = "sigv4"
    service: ClassVar[str] = "runtime"  # key of aws.hosts.SERVICES

    kind: str  # narrowed by each kind; here so that it is the first key
    role: Name = Field(description="Role, by its name under roles, that requests are signed with")
    regions: tuple[UpstreamRegion, ...] = Field(
        min_length=1, description="Regions in order of preference; the first available one is used"
    )
    timeout: Seconds = Field(default=70, ge=1, le=3600, description="How long a silent upstream connection is kept")
    in_flight: int | None = Field(
        default=None, ge=1, le=100_000, description="Requests at the model at one time; more are answered 503"
    )
    circuit: Circuit | None = Field(
        default=None, description="When a region that fails is skipped; {} for the defaults; default: never"
    )

    @property
    def signing_service(self) -> str:
        """The service in the credential scope."""
        return SERVICES[self.service].signing


class EndpointUpstream(AwsUpstream):
    """What every upstream has that is a SageMaker endpoint."""

    endpoint: EndpointName = Field(description="Name of the SageMaker endpoint, exactly as in AWS")


class SageMaker(EndpointUpstream):
    """A SageMaker endpoint through InvokeEndpoint, signed with SigV4."""

    kind: Literal["sagemaker"] = Field(description="SigV4, invocations")


class SageMakerOpenAi(EndpointUpstream):
    """A SageMaker endpoint through its OpenAI-compatible path, with a bearer token."""

    scheme: ClassVar[Scheme] = "bearer"

    kind: Literal["sagemaker-openai"] = Field(description="bearer token, /openai/v1/chat/completions")


Upstream = Annotated[SageMaker | SageMakerOpenAi, Field(discriminator="kind")]
"""Any upstream, told apart by ``kind``."""

_KINDS: tuple[type[AwsUpstream], ...] = (SageMaker, SageMakerOpenAi)


def service_of(kind: str | None) -> str:
    """Whose hosts an upstream of ``kind`` has, as a key of ``SERVICES``; the runtime's if there is no such kind."""
    return next(
        (one.service for one in _KINDS if kind in get_args(one.model_fields["kind"].annotation)), AwsUpstream.service
    )
