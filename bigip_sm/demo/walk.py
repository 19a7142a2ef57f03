"""A walk through a gateway, told in a file beside its gateway.yaml: who sends what, and what must come of it.

.. code-block:: yaml

   version: 1
   callers:
     alice: {identity: okta, subject: alice, groups: [data-science]}   # a token of the lab's issuer
     robot: {certificate: robot.example.com}                          # a client certificate of the lab's CA
     partner: {api_key: key-of-the-demonstration-only}
     nightly: {address: 10.30.7.9}
     nobody: {}
   steps:
     - title: Who may ask the chat model
       requests:
         - {claim: a data scientist, caller: alice, path: /v1/chat/completions, json: {...}, expect: {status: 200}}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, model_validator

from bigip_sm.spec.load import load_model
from bigip_sm.spec.scalars import Model

FILE = "walk.yaml"


class WalkCaller(Model):
    """Someone who calls. What is given is shown to the gateway; nothing at all is a caller that nobody knows."""

    identity: str | None = Field(default=None, description="jwt identity whose issuer makes the caller's token")
    subject: str = Field(default="someone", description="Subject of the token")
    groups: tuple[str, ...] = Field(default=(), description="Groups in the token")
    scopes: tuple[str, ...] = Field(default=(), description="Scopes in the token")
    principal_class: Literal["human", "service", "agent"] | None = Field(
        default=None, description="Class that the token tells"
    )
    claims: dict[str, JsonValue] = Field(default={}, description="Claims that replace those of the token")
    certificate: str | None = Field(default=None, description="Common name of a client certificate of the lab's CA")
    api_key: str | None = Field(default=None, description="API key, for demonstrations only")
    key_header: str = Field(default="X-Api-Key", description="Header of the API key")
    address: str | None = Field(default=None, description="Address that the connection comes from")


class Expect(Model):
    """What must come of a request. What is left out is not looked at."""

    status: int = Field(description="Status of the answer")
    reason: str = Field(default="", description="The gateway's reason; none if the answer came from behind it")
    reaches_aws: bool | None = Field(default=None, description="Whether AWS saw the request; it must accept it then")
    body_has: tuple[str, ...] = Field(default=(), description="Texts that the answer has")
    body_lacks: tuple[str, ...] = Field(default=(), description="Texts that the answer must not have")
    sent_has: tuple[str, ...] = Field(default=(), description="Texts in what AWS got: head and body")
    sent_lacks: tuple[str, ...] = Field(default=(), description="Texts that AWS must not get")
    headers: dict[str, str] = Field(default={}, description="Header of the answer -> text in its value")


class WalkRequest(Model):
    """One request, sent once or several times; ``expect`` is for the last one."""

    claim: str = Field(description="What this shows, as a claim")
    caller: str = Field(description="Who calls, by its name under callers")
    listener: str | None = Field(default=None, description="Listener; default: the first")
    method: str = Field(default="POST", description="Method")
    path: str = Field(description="Path and query")
    headers: dict[str, str] = Field(default={}, description="Headers of the request")
    body_json: JsonValue = Field(default=None, alias="json", description="Body, written as JSON")
    text: str | None = Field(default=None, description="Body as it is")
    repeat: int = Field(default=1, ge=1, le=1000, description="How often it is sent")
    expect: Expect = Field(description="What must come of the last one")

    @property
    def body(self) -> bytes:
        """The body to send."""
        if self.text is not None:
            return self.text.encode()
        return b"" if self.body_json is None else json.dumps(self.body_json).encode()


class WalkStep(Model):
    """One step of the walk."""

    title: str = Field(description="What is shown")
    requests: tuple[WalkRequest, ...] = Field(min_length=1, description="What is sent, in order")


class Walk(Model):
    """A walk through a gateway."""

    version: Literal[1] = Field(description="Version of this format")
    callers: dict[str, WalkCaller] = Field(min_length=1, description="Who calls")
    steps: tuple[WalkStep, ...] = Field(min_length=1, description="What is shown, in order")

    @model_validator(mode="after")
    def _callers_exist(self) -> Walk:
        for step in self.steps:
            for request in step.requests:
                if request.caller not in self.callers:
                    known = ", ".join(self.callers)
                    raise ValueError(f"there is no caller {request.caller!r}; write one of {known}")
        return self


def load_walk(folder: Path) -> Walk:
    """The walk in ``folder``. Raises SpecError with every problem of the file."""
    return load_model(Walk, folder / FILE)
