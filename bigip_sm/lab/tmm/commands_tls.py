"""TLS and certificates: ``SSL::`` and ``X509::``. The handle of a certificate is its DER.

clouddocs.f5.com, iRules API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigip_sm.lab.tmm import certificates
from bigip_sm.lab.tmm.session import Command, CommandError, Result, Session, TlsDetails, wire
from bigip_sm.lab.tmm.words import number

if TYPE_CHECKING:
    from bigip_sm.lab.tmm.tmm import Tmm

_TLS13 = {"TLS_AES_": "TLS13-AES", "TLS_CHACHA20": "TLS13-CHACHA20"}


def commands(tmm: Tmm) -> dict[str, Command]:
    """The commands of one TMM."""
    return {
        "SSL::cert": lambda *words: _certificate(tmm.session, words),
        "SSL::verify_result": lambda *words: _verify_result(tmm.session, words),
        "SSL::cipher": lambda word: _cipher(tmm.session, word),
        "SSL::sni": lambda _: _server_name(tmm.session),
        "SSL::mode": lambda: int(_tls(tmm.session) is not None),
        "SSL::disable": lambda side="serverside": _clear(tmm.session, True),
        "SSL::enable": lambda side="serverside": _clear(tmm.session, False),
        "SSL::respond": lambda text: _respond(tmm.session, text),
        "SSL::profile": lambda name: _profile(tmm, name),
        "X509::subject": lambda der, field=None: certificates.subject(wire(der), field),
        "X509::issuer": lambda der: certificates.issuer(wire(der)),
        "X509::serial_number": lambda der: certificates.serial_number(wire(der)),
        "X509::hash": lambda der: certificates.fingerprint(wire(der)),
        "X509::whole": lambda der: certificates.pem(wire(der)),
        "X509::pem2der": lambda text: certificates.from_pem(wire(text)),
        "X509::not_valid_before": lambda der: certificates.validity(wire(der))[0],
        "X509::not_valid_after": lambda der: certificates.validity(wire(der))[1],
        "X509::version": lambda der: certificates.parse(wire(der)).version.value + 1,
        "X509::signature_algorithm": lambda der: certificates.signature_algorithm(wire(der)),
        "X509::subject_public_key_type": lambda der: certificates.key_type(wire(der)),
        "X509::subject_public_key_RSA_bits": lambda der: certificates.rsa_bits(wire(der)),
        "X509::extensions": lambda der: certificates.extensions(wire(der)),
        "X509::verify_cert_error_string": lambda code: certificates.error_text(number(code)),
    }


def _tls(session: Session) -> TlsDetails | None:
    return session.server_tls if session.server_side else session.tls


def _certificate(session: Session, words: tuple[str, ...]) -> Result:
    """``SSL::cert count``, or the handle of certificate N, 0 being the peer's own; or of the issuer of N."""
    found = session.server_certificates if session.server_side else session.certificates
    if words == ("count",):
        return len(found)
    place = words[-1]
    if words[:-1] not in ((), ("issuer",)) or not place.isdigit():
        raise CommandError(f'bad index "{place}" in SSL::cert')
    index = int(place) + (len(words) == 2)
    return found[index] if index < len(found) else b""


def _verify_result(session: Session, words: tuple[str, ...]) -> Result:
    """OpenSSL's result; a number sets it for the commands that follow."""
    if words:
        session.verify_result = number(words[0])
        return b""
    return session.verify_result


def _cipher(session: Session, word: str) -> Result:
    """``name`` (F5 spells those of TLS 1.3 in its own way), ``version`` or ``bits``; ``none`` and 0 without TLS."""
    tls = _tls(session)
    name, version, bits = tls.details() if tls is not None else ("none", "none", 0)
    match word:
        case "name":
            for prefix, spelled in _TLS13.items():
                if name.startswith(prefix):
                    return spelled + name.removeprefix(prefix).replace("_", "-")
            return name
        case "version":
            return version
        case "bits":
            return bits
        case _:
            raise CommandError(f'bad option "{word}" in SSL::cipher: must be bits, name or version')


def _server_name(session: Session) -> Result:
    return (session.tls.server_name or "").encode() if session.tls is not None else b""


def _clear(session: Session, clear: bool) -> Result:
    """Talk to the pool member without TLS, or with it again; for connections that are not open yet."""
    session.server_clear = clear
    return b""


def _respond(session: Session, text: str) -> Result:
    session.plaintext.append(wire(text))
    return b""


def _profile(tmm: Tmm, name: str) -> Result:
    """Switch the server-ssl profile; only where the TLS handshake with the server has not begun."""
    session = tmm.session
    if session.event != "SERVER_CONNECTED":
        raise CommandError(f"SSL::profile is not emulated in event {session.event}")
    known = tmm.world.server_ssl
    path = tmm.resolve(name, known)
    if path not in known:
        raise CommandError(f"no such SSL profile {name}")
    session.server_ssl = path
    return b""
