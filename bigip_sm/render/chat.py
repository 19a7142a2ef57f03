"""What the ``translate`` stage makes of the bodies of OpenAI clients."""

from __future__ import annotations

from bigip_sm.spec.chat import ChatOptions
from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import SageMaker, SageMakerOpenAi, Upstream

FORMAT = 1
"""Version of the records."""


def translates(upstream: Upstream) -> bool:
    """Whether bodies are read, to be changed or to find out whether a stream is asked for."""
    return reframes(upstream) or (isinstance(upstream, SageMakerOpenAi) and upstream.chat.changes)


def reframes(upstream: Upstream) -> bool:
    """Whether answers that come in AWS's event stream become server-sent events."""
    return isinstance(upstream, SageMaker) and upstream.speaks_openai


def generates(upstream: Upstream) -> bool:
    """Whether messages become a prompt, and the text that a model generates becomes a chat completion."""
    return isinstance(upstream, SageMaker) and upstream.prompt is not None


def chat_records(spec: Spec) -> list[dict[str, str]]:
    """``<route>`` -> ``1|<openai or native>|<alias>|<served model>|<temperature>|<max_tokens>``, sorted.

    ``|<template>`` follows where messages become a prompt.
    """
    found = []
    for name, route in sorted(spec.routes.items()):
        upstream = spec.upstreams[route.upstream]
        if isinstance(upstream, SageMaker | SageMakerOpenAi) and translates(upstream):
            record = _record(upstream.chat, translated=reframes(upstream))
            prompt = upstream.prompt if isinstance(upstream, SageMaker) else None
            found.append({"key": name, "value": f"{record}|{prompt}" if prompt else record})
    return found


def _record(chat: ChatOptions, *, translated: bool) -> str:
    values = (
        "openai" if translated else "native",
        chat.alias,
        chat.served_model,
        chat.defaults.temperature,
        chat.defaults.max_tokens,
    )
    return "|".join([str(FORMAT), *("" if value is None else str(value) for value in values)])
