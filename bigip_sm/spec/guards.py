"""What texts are inspected for: the models of ``guards``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bigip_sm.spec.forms import Form
from bigip_sm.spec.patterns import linear_pattern
from bigip_sm.spec.scalars import Bytes, Model

Direction = Literal["request", "response", "both"]
PiiKind = Literal["EMAIL", "PHONE", "SSN", "CREDIT_CARD"]
DlpKind = Literal["AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY", "ARN"]

Phrase = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]+( [a-z0-9]+)*$", min_length=4, max_length=80),
    Form(
        "a phrase", "4 to 80 characters: words in lower case, of letters and digits, with one blank between", "act as"
    ),
]
Label = Annotated[
    str,
    Field(pattern=r"^[A-Z][A-Z0-9_]{1,31}$"),
    Form("the name of a pattern", "2 to 32 upper-case letters, digits and _, a letter first", "PROJECT_CODE"),
]
Pattern = Annotated[
    str,
    Field(min_length=2, max_length=200),
    AfterValidator(linear_pattern),
    Form("a regular expression", "2 to 200 characters", "PRJ-[0-9]{6}"),
]


class PromptInjection(Model):
    """Scores phrases that are typical of attempts to make a model forget its instructions."""

    type: Literal["prompt-injection"] = Field(description="Scores phrases of prompt injection")
    threshold: float = Field(default=0.8, ge=0.01, le=1, description="Score from which the action is taken")
    action: Literal["block", "record"] = Field(default="block", description="What happens from the threshold on")
    direction: Direction = Field(default="request", description="Which way texts are inspected")


class Pii(Model):
    """Finds what identifies a person."""

    type: Literal["pii"] = Field(description="Finds what identifies a person")
    find: tuple[PiiKind, ...] = Field(
        default=("EMAIL", "PHONE", "SSN", "CREDIT_CARD"), min_length=1, description="What is looked for"
    )
    action: Literal["block", "redact", "record"] = Field(
        default="block", description="redact: [EMAIL] and the like take the place of what was found"
    )
    direction: Direction = Field(default="both", description="Which way texts are inspected")


class Dlp(Model):
    """Finds secrets and names that must not leave."""

    type: Literal["dlp"] = Field(description="Finds secrets and names that must not leave")
    find: tuple[DlpKind, ...] = Field(
        default=("AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY", "ARN"), description="What is looked for"
    )
    patterns: dict[Label, Pattern] = Field(
        default={},
        max_length=16,
        description="Own regular expressions by name; Tcl's, without backreferences, lookahead and nested repetitions",
    )
    action: Literal["block", "redact", "record"] = Field(
        default="block", description="redact: the name of the pattern takes the place of what was found"
    )
    direction: Direction = Field(default="both", description="Which way texts are inspected")


Step = Annotated[PromptInjection | Pii | Dlp, Field(discriminator="type")]


class Guard(Model):
    """A named chain of inspections."""

    version: int = Field(ge=1, le=9999, description="Version of the guard; records of the audit name it")
    chain: tuple[Step, ...] = Field(min_length=1, max_length=8, description="Inspections in order")


class Inspection(Model):
    """What all guards of the gateway share."""

    max_size: Bytes = Field(
        default=256 * 1024,
        ge=1024,
        le=1024**2,
        description="Largest text that is inspected; a larger request is answered 413, a larger answer does not go on",
    )
    phrases: dict[Phrase, Annotated[float, Field(ge=0.01, le=1)]] = Field(
        default={},
        max_length=256,
        description="Own phrases of prompt injection -> weight, beside those that the product brings along; a weight "
        "for one of those replaces its weight",
    )
