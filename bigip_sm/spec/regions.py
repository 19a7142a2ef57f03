"""Which of several upstreams a request goes to."""

from __future__ import annotations

from pydantic import Field

from bigip_sm.spec.scalars import Model, Name


class WeightedUpstream(Model):
    """One of several upstreams of a route."""

    name: Name = Field(description="Upstream, by its name under upstreams")
    weight: int = Field(ge=0, le=100, description="Callers that it gets, percent; the weights of a route sum to 100")
