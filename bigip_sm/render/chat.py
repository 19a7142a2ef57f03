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
    return isinstance(upstream, SageMaker) and upstream.format == "openai"


def chat_records(spec: Spec) -> list[dict[str, str]]:
    """``<route>`` -> ``1|<openai or native>|<alias>|<served model>|<temperature>|<max_tokens>``, sorted."""
    found = []
    for name, route in sorted(spec.routes.items()):
        upstream = spec.upstreams[route.upstream]
        if isinstance(upstream, SageMaker | SageMakerOpenAi) and translates(upstream):
            found.append({"key": name, "value": _record(upstream.chat, translated=reframes(upstream))})
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
