"""Rules over gateway.yaml itself: what is right as it stands, renders, and still is not as one would want."""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.lint.findings import Finding, register
from bigip_sm.spec.chat import JUMPSTART, ChatOptions
from bigip_sm.spec.model import Spec

LARGE = 70
"""Billions of parameters from which a model is slow to begin."""

PATIENCE = 120
"""Seconds that a large model may be silent (peers sheet, D.17)."""

HURRY = register(
    "BSM-G001",
    "warning",
    "A model of 70 billion parameters has a timeout of at least 120 s",
    "It takes long to read a long prompt. A request that is cut off before its answer is billed all the same, and its "
    "caller asks again.",
    mend="Write `timeout: 120s` or more at the upstream. TMM has one timeout for all upstreams of a listener, the "
    "longest of its routes; a listener of its own keeps the others short.",
    bad="""
upstreams:
  llama:
    kind: sagemaker-openai
    endpoint: llama-3-3-70b-v3
    timeout: 70s
    chat: {alias: jumpstart-llama-3-3-70b}
""",
    good="""
upstreams:
  llama:
    kind: sagemaker-openai
    endpoint: llama-3-3-70b-v3
    timeout: 120s
    chat: {alias: jumpstart-llama-3-3-70b}
""",
    notes="The size is known of the aliases of SageMaker JumpStart only. An upstream that no route leads to is passed "
    "over. A longer timeout of another upstream of the listener does not count: whoever shortens it would not know.",
)


def lint_gateway(spec: Spec) -> list[Finding]:
    """Every finding in a gateway.yaml that is valid; ``where`` is the path of the key."""
    return sorted(_in_a_hurry(spec))


def _in_a_hurry(spec: Spec) -> Iterator[Finding]:
    for name in sorted({name for route in spec.routes.values() for name in route.all_upstreams}):
        upstream = spec.upstreams[name]
        chat = getattr(upstream, "chat", None)
        alias = chat.alias if isinstance(chat, ChatOptions) else None
        model = JUMPSTART.get(alias or "")
        if model is not None and model.billions >= LARGE and upstream.timeout < PATIENCE:
            message = f"{upstream.timeout}s is short for {alias}, of {model.billions} billion parameters"
            yield HURRY.finding(f"upstreams.{name}.timeout", f"{message}; write timeout: {PATIENCE}s or more")
