"""One HTTPS connection to the management address of a BIG-IP: time-outs, repetitions, and what failures are called.

* The certificate is verified, always; proxies and other settings from the environment are ignored.
* Every request has a connect and a read time-out, and the connection may have a deadline as a whole.
* What the caller calls repeatable is repeated a few times, with back-off, when the device is briefly unavailable;
  anything is, when it certainly never reached the device.
* How far the device's clock is from ours is read off the ``Date`` header of its answers.

The httpx *transport* is used below its ``Client``: no cookies, no redirects, and no log lines with URLs (the URL that
deletes a token contains it).
"""

from __future__ import annotations

import functools
import json
import logging
import random
import ssl
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

import bigip_sm
from bigip_sm.bigip.text import one_line
from bigip_sm.errors import DeviceError, DeviceTimeout, DeviceUnreachable

logger = logging.getLogger(__name__)

MAX_BODY = 32 * 1024**2
"""Largest answer read, bytes: above any declaration or data group, below what would hurt."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to repeat a request that may be repeated."""

    connect: float = 5.0
    read: float = 60.0
    repeats: int = 4
    backoff: float = 0.5

    def pause(self, attempt: int) -> float:
        """Seconds before repetition ``attempt`` (from 0): doubled each time, +-25 % so that many clients spread."""
        return float(self.backoff * 2**attempt * random.uniform(0.75, 1.25))  # noqa: S311 (not cryptography)


DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True)
class Request:
    """A request. ``shown`` is the path in messages and logs, where it must not be ``path`` itself.

    ``busy`` are statuses that mean "not now": the request is repeated. ``broken``: it may be repeated as well when the
    connection breaks after it was sent.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    shown: str = ""
    busy: Collection[int] = ()
    broken: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.shown or self.path}"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. ``body`` is the JSON document, or ``None`` if the body is empty or not JSON."""

    status: int
    body: Any = field(repr=False)


class Connection:
    """Sends requests to one device, one after the other. Not for several threads at once."""

    def __init__(
        self, name: str, address: str, *, ca: Path | None, patience: Patience, deadline: float | None = None
    ) -> None:
        """``address`` is ``host[:port]``; ``ca`` the file with the CAs to trust, None for the system's store.

        ``deadline`` is a time of ``time.monotonic()`` after which nothing is tried. Raises DeviceUnreachable if the CA
        file cannot be used. Nothing is sent yet.

        ``clock_skew`` tells how many seconds the device's clock is ahead of ours, None before its first answer.
        """
        self.name = name
        self.address = address
        self.deadline = deadline
        self.clock_skew: float | None = None
        self._patience = patience
        try:
            context = trust(ca)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise DeviceUnreachable(name, f"CA file {ca} cannot be used: {reason}") from None
        self._transport = httpx.HTTPTransport(
            verify=context, trust_env=False, limits=httpx.Limits(max_connections=1, max_keepalive_connections=1)
        )

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def send(self, request: Request) -> Answer:
        """The answer to a request, whatever its status. Raises DeviceError if there is none in the end."""
        for attempt in range(self._patience.repeats + 1):
            last = attempt == self._patience.repeats
            try:
                answer = self._once(request)
            except httpx.HTTPError as error:
                repeatable = isinstance(error, _NOT_SENT) or (request.broken and _may_pass(error))
                if last or not repeatable or _tls_reason(error) or not self._wait(attempt):
                    raise self._failure(request, error) from None
                continue
            if answer.status not in request.busy or last or not self._wait(attempt):
                return answer
        raise AssertionError("the loop always returns or raises")

    def _wait(self, attempt: int) -> bool:
        """Sleep before a repetition; False, at once, if the deadline would be over by then."""
        pause = self._patience.pause(attempt)
        if self.deadline is not None and time.monotonic() + pause >= self.deadline:
            return False
        time.sleep(pause)
        return True

    def _once(self, request: Request) -> Answer:
        """One request and its whole answer. Raises httpx.HTTPError, or DeviceTimeout at the deadline."""
        started = time.monotonic()
        left = self._left()
        read = min(self._patience.read, left)
        wait = httpx.Timeout(connect=min(self._patience.connect, left), read=read, write=read, pool=read)
        response = self._transport.handle_request(
            httpx.Request(
                request.method,
                f"https://{self.address}{request.path}",
                headers={
                    "Accept": "application/json",
                    "User-Agent": f"bigip-sm/{bigip_sm.__version__}",
                    **request.headers,
                },
                json=request.body,
                extensions={"timeout": wait.as_dict()},
            )
        )
        half = (time.monotonic() - started) / 2
        self.clock_skew = skew(response.headers.get("date"), time.time() - half, self.clock_skew)
        try:
            content = b"".join(self._chunks(response))
        finally:
            response.close()
        took = (time.monotonic() - started) * 1000
        logger.debug("%s: %s: %d in %.0f ms", self.name, request, response.status_code, took)
        return Answer(response.status_code, _document(content))

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_BODY:
                raise DeviceError(self.name, f"an answer is larger than {MAX_BODY} bytes")
            # A device that sends a byte a second never runs into the read time-out.
            self._left()
            yield chunk

    def _left(self) -> float:
        """Seconds until the deadline. Raises DeviceTimeout if it is over."""
        if self.deadline is None:
            return float("inf")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeviceTimeout(self.name, "the time allowed for this device is over")
        return left

    def _failure(self, request: Request, error: httpx.HTTPError) -> DeviceError:
        """What to raise for an error of httpx."""
        if isinstance(error, httpx.ConnectTimeout):
            return DeviceTimeout(self.name, f"no connection to {self.address} within {self._patience.connect:g} s")
        reason = _tls_reason(error)
        if reason:
            return DeviceUnreachable(
                self.name,
                f"the TLS certificate of {self.address} is not accepted: {reason}; "
                "name the CA file that signed it as `ca` in the inventory",
            )
        if isinstance(error, httpx.ConnectError):
            return DeviceUnreachable(self.name, f"no connection to {self.address}: {one_line(str(error))}")
        doubt = "; it may have been done or not" if request.method == "POST" else ""
        if isinstance(error, httpx.TimeoutException):
            return DeviceTimeout(self.name, f"no answer to {request} in time{doubt}")
        return DeviceUnreachable(self.name, f"the connection broke during {request} ({type(error).__name__}){doubt}")


def trust(ca: Path | None) -> ssl.SSLContext:
    """A context that verifies against the CAs in ``ca``, or the system's. Raises OSError, ssl.SSLError.

    One for all connections with the same file, as reading a store costs more than all that is sent; a file that was
    changed is read anew.
    """
    if ca is None:
        return _context(None, ())
    found = ca.stat()
    return _context(str(ca), (found.st_mtime_ns, found.st_size, found.st_ino))


@functools.lru_cache(maxsize=512)
def _context(ca: str | None, version: tuple[int, ...]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def skew(date: str | None, now: float, otherwise: float | None) -> float | None:
    """Seconds that a clock is ahead which said ``date`` (an HTTP date, whole seconds) at ``now``, epoch seconds.

    ``otherwise`` if ``date`` is not one.
    """
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now if date else otherwise
    except ValueError:
        return otherwise


def _document(content: bytes) -> Any:
    """The JSON document in ``content``, or None: a restarting restjavad answers with pages of HTML."""
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


def _tls_reason(error: BaseException) -> str:
    """Why TLS verification failed, in OpenSSL's words; empty if it did not."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return one_line(seen.verify_message)
        seen = seen.__cause__ or seen.__context__
    return ""


def _may_pass(error: httpx.HTTPError) -> bool:
    """Whether a broken connection may be better the next time; a long silence would only be longer."""
    return not isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
