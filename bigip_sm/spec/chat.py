"""What OpenAI clients write in ``model``, and what the gateway adds to their requests."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field

from bigip_sm.spec.prompts import PromptTemplate
from bigip_sm.spec.scalars import Model
from bigip_sm.spec.upstream_scalars import ModelId


class JumpStart(NamedTuple):
    """A model of SageMaker JumpStart.

    How many tokens its context window has, how many parameters it has, and how its prompts are written.
    """

    context: int
    billions: int
    prompt: PromptTemplate


JUMPSTART = {
    "jumpstart-llama-3-3-70b": JumpStart(131_072, 70, "llama-3"),
    "jumpstart-llama-3-1-8b": JumpStart(131_072, 8, "llama-3"),
    "jumpstart-mistral-7b": JumpStart(32_768, 7, "mistral"),
    "jumpstart-falcon-40b": JumpStart(2_048, 40, "falcon"),
    "jumpstart-mixtral-8x7b": JumpStart(32_768, 47, "mistral"),
}
"""Alias -> model, from the model cards of Meta, Mistral AI and TII."""


class ChatDefaults(Model):
    """Members that are added to a request that does not have them."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="Sampling temperature of requests that name none"
    )
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Longest answer, in tokens, of requests that name no limit"
    )


class ChatOptions(Model):
    """How the requests of OpenAI clients are read and completed."""

    alias: ModelId | None = Field(
        default=None, description="What callers write in model; another name is refused. Default: model is not read"
    )
    served_model: ModelId | None = Field(
        default=None, description="What the container gets in model in place of the alias; default: an empty string"
    )
    context_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Context window of the model, in tokens; default: that of the JumpStart alias"
    )
    defaults: ChatDefaults = Field(
        default_factory=ChatDefaults, description="Members for requests that do not have them"
    )

    @property
    def context(self) -> int | None:
        """Tokens of the context window, None if it is not known."""
        if self.context_tokens is not None:
            return self.context_tokens
        known = JUMPSTART.get(self.alias or "")
        return known.context if known else None

    @property
    def changes(self) -> bool:
        """Whether bodies are read and changed."""
        return self.alias is not None or self.defaults != ChatDefaults()
