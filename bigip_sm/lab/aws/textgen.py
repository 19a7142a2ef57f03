"""Containers of the lab that take a prompt and generate text: Text Generation Inference, and LMI.

What is refused, and with which words, is that of TGI (huggingface/text-generation-inference, ``router/src``:
``lib.rs``, ``validation.rs``, ``sagemaker.rs``, ``server.rs``); the other form of answers is LMI's (djl-serving, "LMI
handlers Inference API Schema"). Beyond TGI, members and parameters that it would drop are refused, and so is a prompt
that begins with what its tokenizer puts in front of it: both would be mistakes that nobody sees.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from bigip_sm.lab.aws.endpoints import Chat, ContainerRequest
from bigip_sm.lab.http import Response

_BEGINS = ("<s>", "<|begin_of_text|>")
_STOPS = 4
"""How many stop sequences there may be: the default of TGI's ``--max-stop-sequences``."""

_Check = tuple[Callable[[Any], bool], str]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "do_sample": lambda value: isinstance(value, bool),
    "details": lambda value: isinstance(value, bool),
    "return_full_text": lambda value: isinstance(value, bool),
    "temperature": _is_number,
    "top_p": _is_number,
    "frequency_penalty": _is_number,
    "max_new_tokens": lambda value: type(value) is int and value >= 0,
    "seed": lambda value: type(value) is int and 0 <= value < 2**64,
    "stop": _are_texts,
    "stop_sequences": _are_texts,
}
"""Parameters and what they may be; ``stop`` is TGI's, ``stop_sequences`` LMI's, and each drops the other's."""

_BOUNDS: dict[str, _Check] = {
    "temperature": (lambda value: value > 0, "`temperature` must be strictly positive"),
    "top_p": (lambda value: 0 < value < 1, "`top_p` must be > 0.0 and < 1.0"),
    "frequency_penalty": (lambda value: -2 <= value <= 2, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
    "max_new_tokens": (lambda value: value > 0, "`max_new_tokens` must be strictly positive"),
    "stop": (lambda value: len(value) <= _STOPS, f"`stop` supports up to {_STOPS} stop sequences"),
}


class TextGeneration(Chat):
    """A container that always says ``tokens``, whatever the prompt, until it is told to stop.

    With ``lmi`` it answers as LMI does: one object instead of a list, JSON lines instead of server-sent events, and
    without the text that ended the answer. ``prompt_length`` is what it says of the prompt in tokens, None to say
    nothing of it, as TGI does unless it streams.
    """

    lmi = False
    prompt_length: int | None = None

    async def __call__(self, request: ContainerRequest) -> Response:
        """Answer a request for text: JSON, or a stream if it says ``"stream": true``."""
        try:
            asked = json.loads(request.body)
        except ValueError:
            return _json(400, {"error": "Failed to parse the request body as JSON", "error_type": "validation"})
        wrong = _wrong(asked)
        if wrong:
            return _json(422, {"error": wrong, "error_type": "validation"})
        parameters = asked.get("parameters", {})
        if asked.get("stream", False):
            kind = "application/jsonlines" if self.lmi else "text/event-stream"
            return Response(200, [("Content-Type", kind)], self._lines(parameters))
        tokens = [piece async for piece in self._generated(parameters)]
        answer = self._last(tokens, parameters)
        if parameters.get("return_full_text", not self.lmi):
            answer["generated_text"] = asked["inputs"] + answer["generated_text"]
        if not parameters.get("details", False):
            del answer["details"]
        return _json(200, answer if self.lmi else [answer])

    async def _generated(self, parameters: dict[str, Any]) -> AsyncIterator[str]:
        """The tokens up to one that ends the answer, which is among them."""
        ends = tuple(parameters.get("stop_sequences" if self.lmi else "stop", ()))
        text, number = "", 0
        async for token in self._produce():
            yield token
            text, number = text + token, number + 1
            if number >= parameters.get("max_new_tokens", 100) or (ends and text.endswith(ends)):
                return

    def _last(self, tokens: list[str], parameters: dict[str, Any]) -> dict[str, Any]:
        text = "".join(tokens)
        ends = tuple(parameters.get("stop_sequences" if self.lmi else "stop", ()))
        stopped = [end for end in ends if text.endswith(end)]
        whole = len(tokens) == len(self.tokens) and len(tokens) < parameters.get("max_new_tokens", 100)
        finish = "stop_sequence" if stopped else "eos_token" if whole else "length"
        if stopped and self.lmi:
            text = text.removesuffix(stopped[0])
        details: dict[str, Any] = {"finish_reason": finish, "generated_tokens": len(tokens), "prefill": []}
        if self.prompt_length is not None:
            details["prefill"] = [{"id": number, "text": "x"} for number in range(self.prompt_length)]
        details["tokens"] = [_token(number, token) for number, token in enumerate(tokens)]
        return {"generated_text": text, "details": details}

    async def _lines(self, parameters: dict[str, Any]) -> AsyncIterator[bytes]:
        tokens: list[str] = []
        waiting: dict[str, Any] | None = None
        async for token in self._generated(parameters):
            if waiting is not None:
                yield self._line(waiting)
            tokens.append(token)
            waiting = {"index": len(tokens), "token": _token(len(tokens), token)}
        last = self._last(tokens, parameters)
        del last["details"]["tokens"], last["details"]["prefill"]
        if self.prompt_length is not None:
            last["details"]["input_length"] = self.prompt_length
        if last["details"]["finish_reason"] == "eos_token" and waiting is not None:
            # The model's own mark comes as a token of its own, which is not part of the text.
            yield self._line(waiting)
            waiting = {"index": len(tokens) + 1, "token": _token(2, "</s>", special=True)}
        yield self._line({**(waiting or {}), **last})

    def _line(self, event: dict[str, Any]) -> bytes:
        if self.lmi:
            return json.dumps(event).encode() + b"\n"
        return b"data:" + json.dumps({"generated_text": None, "details": None, **event}).encode() + b"\n\n"


def _wrong(asked: Any) -> str | None:
    """What is wrong with a request, in TGI's words; None if nothing is."""
    if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), str):
        return "Failed to deserialize the JSON body into the target type: data did not match any variant"
    parameters = asked.get("parameters", {})
    if not isinstance(parameters, dict) or not isinstance(asked.get("stream", False), bool):
        return "Failed to deserialize the JSON body into the target type: invalid type"
    for name in sorted(set(asked) - {"inputs", "parameters", "stream"}) + sorted(set(parameters) - set(_TYPES)):
        return f"unknown field `{name}`"
    for name, value in parameters.items():
        if not _TYPES[name](value):
            return f"Failed to deserialize the JSON body into the target type: parameters.{name}: invalid type"
        if name in _BOUNDS and not _BOUNDS[name][0](value):
            return f"Input validation error: {_BOUNDS[name][1]}"
    if not asked["inputs"]:
        return "Input validation error: `inputs` cannot be empty"
    if asked["inputs"].startswith(_BEGINS):
        return "the tokenizer puts the beginning of the text in front of `inputs`, and it is there already"
    return None


def _token(number: int, text: str, *, special: bool = False) -> dict[str, Any]:
    return {"id": number, "text": text, "logprob": -0.25, "special": special}


def _json(status: int, answer: object) -> Response:
    return Response(status, [("Content-Type", "application/json")], json.dumps(answer).encode())
