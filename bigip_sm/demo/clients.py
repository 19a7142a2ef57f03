"""The callers of the demonstration: ordinary HTTP clients with and without a client certificate."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bigip_sm.errors import LabError
from bigip_sm.lab.lab import ClientFiles, Lab

TIMEOUT = 10.0
"""Seconds that the gateway has for an answer."""


@dataclass(frozen=True)
class Answer:
    """What a caller got. ``reason`` is the gateway's, empty if the answer came from behind it."""

    status: int
    reason: str
    body: bytes

    @property
    def verdict(self) -> str:
        """Status and reason in one word pair, such as ``403 not-allowed``."""
        return f"{self.status} {self.reason}".strip()


@dataclass(frozen=True)
class Streamed:
    """A streamed chat completion; times are epoch seconds."""

    text: str
    pieces: int
    first_at: float
    last_at: float


class Caller:
    """Sends requests to one listener of the lab's gateway, as one caller."""

    def __init__(self, lab: Lab, listener: str, certificate: ClientFiles | None) -> None:
        host, port = lab.listener(listener)
        self._base = f"https://{host}:{port}"
        self._hostname = lab.spec.listeners[listener].hostnames[0]
        self._tls = ssl.create_default_context(cafile=str(lab.ca_file))
        if certificate is not None:
            self._tls.load_cert_chain(certificate.certificate, certificate.key)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """POST JSON. Raises LabError if there is no answer."""
        import httpx

        sent = {"Content-Type": "application/json", **(headers or {}), "Host": self._hostname}
        try:
            with httpx.Client(verify=self._tls, timeout=TIMEOUT, trust_env=False) as client:
                response = client.post(
                    self._base + path, content=body, headers=sent, extensions={"sni_hostname": self._hostname}
                )
        except httpx.HTTPError as error:
            raise LabError(f"POST {path}: {type(error).__name__}: {error}") from error
        return Answer(response.status_code, response.headers.get("X-Gateway-Reason", ""), response.content)

    def stream_chat(self, question: str) -> Streamed:
        """A streamed chat completion with the ``openai`` package. Raises LabError if that fails."""
        import openai

        def name_in_handshake(request: Any) -> None:
            request.extensions["sni_hostname"] = self._hostname

        http = openai.DefaultHttpxClient(
            verify=self._tls,
            timeout=TIMEOUT,
            headers={"Host": self._hostname},
            event_hooks={"request": [name_in_handshake]},
            trust_env=False,
        )
        pieces: list[tuple[float, str]] = []
        try:
            with http, openai.OpenAI(base_url=f"{self._base}/v1", api_key="unused", http_client=http) as client:
                chunks = client.chat.completions.create(
                    model="any", messages=[{"role": "user", "content": question}], stream=True
                )
                for chunk in chunks:
                    text = chunk.choices[0].delta.content if chunk.choices else None
                    if text:
                        pieces.append((time.time(), text))
        except openai.OpenAIError as error:
            raise LabError(f"chat completion: {type(error).__name__}: {error}") from error
        if not pieces:
            raise LabError("chat completion: the stream ended without a token")
        return Streamed("".join(text for _, text in pieces), len(pieces), pieces[0][0], pieces[-1][0])


def chat_body(question: str) -> bytes:
    """The JSON body of a chat completion that is not streamed."""
    return json.dumps({"model": "any", "messages": [{"role": "user", "content": question}]}).encode()
