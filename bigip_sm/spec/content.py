"""What requests and answers of a route may contain: the models of ``validation`` and ``shape``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bigip_sm.spec.forms import Form
from bigip_sm.spec.identities import HeaderName
from bigip_sm.spec.scalars import Bytes, Model

ContentType = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$"),
    Form("a content type", "type/subtype in lower case, without parameters", "application/json"),
]
ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"),
    Form("the name of a model", "1 to 128 letters, digits and ._:/@+-, a letter or digit first", "llama-3-70b"),
]
MemberName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.$-]{1,64}$"),
    Form("the name of a JSON member", "1 to 64 letters, digits and _.$-", "max_tokens"),
]


HeaderValue = Annotated[
    str,
    Field(pattern=r"^[\x20-\x7b\x7d\x7e]*$", max_length=512),
    Form("the value of a header", "at most 512 printable ASCII characters without |", "no-referrer"),
]


def is_json(content_type: str) -> bool:
    """Whether bodies of this content type are read as JSON."""
    return content_type == "application/json" or content_type.endswith("+json")


class Validation(Model):
    """What a request must look like."""

    content_types: tuple[ContentType, ...] = Field(
        default=("application/json",),
        min_length=1,
        max_length=16,
        description="Content types of requests with a body; no parameter but charset=utf-8. The bodies of "
        "application/json and +json must be one JSON object",
    )
    headers: tuple[HeaderName, ...] = Field(
        default=(), max_length=16, description="Headers that a request must have; they do not go to AWS"
    )
    levels: int = Field(default=32, ge=1, le=32, description="Levels of nesting that the JSON may have")
    members: int = Field(default=1000, ge=1, le=1000, description="Members that the JSON may have at its top level")
    string: Bytes | None = Field(
        default=None, ge=1, description="Longest string in the JSON; default: as long as the body may be"
    )
    fields: tuple[MemberName, ...] = Field(
        default=(), max_length=64, description="Top-level members that are allowed; default: any"
    )
    shape: Literal["tensorflow", "openai-chat"] | None = Field(
        default=None,
        description="tensorflow: one of instances (a list), inputs (a list or an object) and examples (a list); "
        "openai-chat: messages, a list that is not empty",
    )


class Shape(Model):
    """What answers may tell their caller."""

    fields: tuple[MemberName, ...] = Field(
        default=(),
        max_length=64,
        description="Top-level members of a JSON answer, and of each event of a stream, that go on; default: all",
    )
    errors: Literal["unwrap", "pass"] = Field(
        default="unwrap",
        description="unwrap: of an error of the endpoint only the model's own status and message go on, without "
        "account ids, ARNs and links to the console; pass: the whole of it",
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default={},
        max_length=16,
        description="Headers that answers of the model get, beside Cache-Control, X-Content-Type-Options and "
        'Content-Security-Policy, or in their place; "" takes one out',
    )
    keep_headers: tuple[HeaderName, ...] = Field(
        default=(),
        max_length=16,
        description="Headers that begin with x-amz and go on; the others are taken out of answers",
    )
