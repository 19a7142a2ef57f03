"""What f5-sdk leaves out, put under it: verification, time-outs, an honest login, silence. Needs the extra ``f5-sdk``.

f5-sdk 3.0.21 talks through a session of the library requests. Its own settings for certificates and time-outs do not
reach every request (docs/decisions/0001), so they are enforced where every request passes: in the transport adapter and
in the authentication of that session.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from bigip_sm.bigip.connection import MAX_BODY, Patience, skew
from bigip_sm.bigip.session import Session
from bigip_sm.errors import DeviceError, DeviceTimeout


class Channel(HTTPAdapter):
    """The way of every request to one device: one connection, verified, bounded in time and size."""

    def __init__(self, session: Session, verify: str | bool, patience: Patience) -> None:
        """``session`` has the deadline; ``verify`` is a file with CAs, or True for the system's store."""
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)
        self._session = session
        self._verify = verify
        self._patience = patience
        self.clock_skew: float | None = None

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Send a request and read its whole answer, whatever the caller wants to be different about that.

        Raises DeviceTimeout at the deadline, DeviceError for an answer that is too large, requests' exceptions.
        """
        left, started = self._left(), time.monotonic()
        waits = (min(self._patience.connect, left), min(self._patience.read, left))
        response = super().send(request, stream=True, timeout=waits, verify=self._verify, proxies=None)
        try:
            half = (time.monotonic() - started) / 2
            self.clock_skew = skew(response.headers.get("Date"), time.time() - half, self.clock_skew)
            # requests has no public way to put an answer's content into place.
            response._content = b"".join(self._chunks(response.raw))
            response._content_consumed = True
        except DeviceError:  # the deadline's is an OSError too
            raise
        except urllib3.exceptions.ReadTimeoutError:
            raise requests.ReadTimeout(request=request) from None
        except (urllib3.exceptions.HTTPError, OSError):
            raise requests.ConnectionError(request=request) from None
        finally:
            response.raw.release_conn() if response._content_consumed else response.close()
        return response

    def _chunks(self, raw: Any) -> Iterator[bytes]:
        size = 0
        while chunk := raw.read1(65536, decode_content=True):
            size += len(chunk)
            if size > MAX_BODY:
                raise DeviceError(self._session.name, f"an answer is larger than {MAX_BODY} bytes")
            # A device that sends a byte a second never runs into the read time-out.
            self._left()
            yield chunk

    def _left(self) -> float:
        """Seconds until the deadline. Raises DeviceTimeout if it is over."""
        if self._session.deadline is None:
            return float("inf")
        left = self._session.deadline - time.monotonic()
        if left <= 0:
            raise DeviceTimeout(self._session.name, "the time allowed for this device is over")
        return left


class TokenAuth(AuthBase):
    """Puts the token of ``session`` on each request, in place of f5-sdk's own login, which has no time-out."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header. Raises DeviceError if the login fails."""
        request.headers["X-F5-Auth-Token"] = self._session.token()
        return request


class _Quiet(logging.Filter):
    """Lets only warnings and worse through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is one."""
        return record.levelno >= logging.WARNING


_QUIET = _Quiet()


def secure(icrs: Any, session: Session, verify: str | bool, patience: Patience) -> Channel:
    """Make ``icrs``, the ``iControlRESTSession`` of a ManagementRoot, send everything through a Channel of its own."""
    channel = Channel(session, verify, patience)
    icrs.session.close()
    icrs.session.adapters.clear()
    icrs.session.mount("https://", channel)
    icrs.session.auth = TokenAuth(session)
    icrs.session.trust_env = False  # neither proxies nor .netrc nor REQUESTS_CA_BUNDLE
    icrs.session.verify = verify
    icrs.session.max_redirects = 0  # a token goes to no other address
    icrs.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    icrs.debug = False
    icrs.debug_output.clear()  # it would hold requests as curl commands, token and body included
    # It logs requests and answers whole at DEBUG, and with them the records.
    logging.getLogger("icontrol.session").addFilter(_QUIET)
    return channel
