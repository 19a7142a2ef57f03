"""Certificates in PEM files beside gateway.yaml.

AS3 does not parse PEM: any text passes it and fails on the device. So it is parsed here, and what goes on is exactly
the certificates, encoded anew: no explanatory text, LF line ends.
"""

from __future__ import annotations

import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

from bigip_sm.errors import Problem
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.model import Listener, Spec
from bigip_sm.spec.pem_file import PemFile
from bigip_sm.spec.positions import Path as Place
from bigip_sm.spec.positions import quoted
from bigip_sm.spec.upstreams import Http

MAX_BYTES = 1024**2
"""Largest PEM file."""

_PLACES = (("tls", "certificate"), ("tls", "chain"), ("tls", "client_certificate", "ca"))
"""Where in a listener a PEM file may be named."""


@dataclass(frozen=True)
class Unusable:
    """Why a file is not usable as certificates, and what would be."""

    message: str
    fix: str


def read_certificates(path: Path) -> str | Unusable:
    """Return the certificates of a PEM file as PEM text, ASCII with LF, or why there are none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # looked at before opening: opening a pipe would wait for a writer
            return Unusable("it is not a regular file", "name a PEM file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no file can have this name"
        return Unusable(reason, "name a readable PEM file; its path is relative to the folder of this file")
    if len(content) > MAX_BYTES:
        return Unusable(f"it has more than {MAX_BYTES // 1024**2} MiB", "name a PEM file with certificates only")
    if b"PRIVATE KEY" in content:
        advice = "keep keys on the BIG-IP, where tls.key names them, and leave only certificates in the file"
        return Unusable("it contains a private key", advice)
    if not content.isascii() or b"-----BEGIN CERTIFICATE-----" not in content:
        return Unusable("it is not a certificate in PEM form", "convert it, such as with openssl x509 -inform DER")
    return _parse(content)


def _parse(content: bytes) -> str | Unusable:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on oddities, such as a negative serial number, that TMOS accepts
            certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        return Unusable("a certificate in it cannot be parsed", "export the certificates again in PEM form")
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates).decode("ascii")


class Reader:
    """Reads the PEM files that a gateway.yaml names, each file once. ``folder`` is what their paths are relative to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, str | Unusable] = {}

    def problems(self, draft: Draft) -> list[Problem]:
        """Return a problem for each place that names a file that is not usable."""
        found = []
        paths: list[Place] = [
            ("listeners", name, *place, "file") for name in draft.names("listeners") for place in _PLACES
        ]
        paths += [("upstreams", name, "ca", "file") for name in draft.names("upstreams")]
        for path in paths:
            name = draft.text(*path)
            result = self._certificates(name) if name is not None else ""
            if isinstance(result, Unusable):
                found.append(draft.problem(path, f"{quoted(name)} cannot be used: {result.message}", result.fix))
        return found

    def _certificates(self, name: str) -> str | Unusable:
        if name not in self._read:
            self._read[name] = read_certificates(self._folder / name)
        return self._read[name]

    def filled(self, spec: Spec) -> Spec:
        """Return ``spec`` with the text of every PEM file in it. There must be no problems."""
        listeners = {name: self._filled_listener(listener) for name, listener in spec.listeners.items()}
        upstreams = {
            name: one.model_copy(update={"ca": self._text(one.ca)}) if isinstance(one, Http) else one
            for name, one in spec.upstreams.items()
        }
        return spec.model_copy(update={"listeners": listeners, "upstreams": upstreams})

    def _filled_listener(self, listener: Listener) -> Listener:
        tls = listener.tls
        update: dict[str, object] = {"certificate": self._text(tls.certificate), "chain": self._text(tls.chain)}
        if tls.client_certificate is not None:
            ca = self._text(tls.client_certificate.ca)
            update["client_certificate"] = tls.client_certificate.model_copy(update={"ca": ca})
        return listener.model_copy(update={"tls": tls.model_copy(update=update)})

    def _text(self, source: str | PemFile | None) -> str | PemFile | None:
        if not isinstance(source, PemFile):
            return source
        return source.model_copy(update={"text": self._certificates(source.file)})
