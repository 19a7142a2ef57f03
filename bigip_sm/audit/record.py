"""The form of an audit record, version 1: what the iRule sends, one JSON object a line.

Times are epoch milliseconds by the BIG-IP's clock. A time is null where TMM has no such event for the request, or where
the body was not collected, so that nobody saw its end.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class At(_Part):
    """When each event of a request happened."""

    accepted: int = Field(description="The client's TCP connection was accepted")
    tls: int | None = Field(description="The TLS handshake of its connection was done")
    request: int = Field(description="The request's head was there")
    body: int | None = Field(description="Its body was there; null where it was not collected")
    signed: int | None = Field(description="It was signed, or had its token")
    sent: int | None = Field(description="It was about to go to the pool member")
    answer: int | None = Field(description="The answer's head was there")
    last: int | None = Field(description="The answer's last byte was there; null where it was not collected")


class AwsRefusal(_Part):
    """What AWS refused, for `doctor` and for AWS's support: enough to compute the signature anew, and no secret."""

    request_id: str = Field(description="AWS's own id of the request")
    amz_date: str = Field(description="X-Amz-Date that was signed")
    scope: str = Field(description="Credential scope")
    signed_headers: str = Field(description="Names of the signed headers")
    payload_sha256: str = Field(description="SHA-256 of the body, hex")
    canonical_sha256: str = Field(description="SHA-256 of the canonical request, hex")


class Tokens(_Part):
    """What prompt and answer came to, as it was counted."""

    total: int = Field(description="Tokens")
    estimated: bool = Field(description="Whether they were estimated, because the answer did not tell them")


class AuditRecord(_Part):
    """One request: who called what, when, with which permissions, under whose approval, and what came of it."""

    version: Literal[1] = Field(description="Version of this form")
    gateway: str = Field(description="Gateway")
    listener: str = Field(description="Listener")
    time: int = Field(description="When the request's head was there")
    request_id: str = Field(description="Id of the request: X-Request-Id of the answer, Inference-Id at SageMaker")
    connection_id: str = Field(description="Id of the client's connection")
    number: int = Field(description="Which request of the connection it is, from 1; a gap is a lost record")
    method: str = Field(description="Method; empty if the request was refused before it was looked at")
    path: str = Field(description="Path, at most 256 characters; characters outside printable ASCII are question marks")
    identity: str | None = Field(description="Identity by which the caller is known; null if it is not")
    subject: str | None = Field(description="Who it is; hmac:<hex> with subject: hmac; null if unknown")
    class_: str | None = Field(alias="class", description="human, service or agent, where a rule asks for it")
    groups: tuple[str, ...] = Field(description="Groups that counted for access")
    route: str | None = Field(description="Route; null if none was reached")
    operation: str | None = Field(
        description="What the caller did with the model, such as infer; null where no rule tells operations apart"
    )
    upstream: str | None = Field(description="Upstream that was chosen; empty if that was still to come")
    endpoint: str | None = Field(description="SageMaker endpoint of that upstream, empty for other kinds")
    role: str | None = Field(description="Role that signs")
    approved_by: str | None = Field(description="Who approved the route")
    ticket: str | None = Field(description="Where the approval is recorded")
    approved_on: str | None = Field(description="Day of the approval")
    tags: dict[str, str] = Field(description="Tags of the gateway and the route")
    region: str | None = Field(description="Region that it was sent to")
    decision: Literal["allowed", "refused", "failed"] = Field(
        description="allowed: it went to the model; refused: the gateway said no; failed: it was allowed, and could "
        "not be done"
    )
    reason: str | None = Field(description="Code of the reason if it was not answered by the model (docs/reasons.md)")
    stage: str = Field(description="Stage of the iRule that was reached")
    status: int | None = Field(description="Status of the answer; null if the connection ended before there was one")
    request_bytes: int | None = Field(description="Bytes of the request's body; null where it was not collected")
    answer_bytes: int | None = Field(description="Bytes of the answer's body; null where it was not collected")
    policy: str = Field(description="Digest of the access policy in force")
    revision: str = Field(description="Digest of the gateway.yaml in force")
    retention_days: int = Field(description="How long the sink is to keep the record")
    at: At = Field(description="When each event happened")
    findings: tuple[str, ...] = Field(
        description="What the guards found, at most 32: `<guard>/<version>/<type>/<what>=<count or score>:<action>`"
    )
    limits: tuple[str, ...] = Field(
        description="Limits that were exceeded: <name>:refused, or <name>:shadow for one that only records"
    )
    tokens: Tokens | None = Field(description="What it has cost; null where no limit counts tokens, and for errors")
    aws: AwsRefusal | None = Field(description="What AWS refused; only with reason aws-refused")
