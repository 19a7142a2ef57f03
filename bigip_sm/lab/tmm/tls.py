"""TLS of the data plane over memory BIOs: towards clients with pyOpenSSL, towards servers with the standard library.

The standard library cannot let an untrusted client certificate through, which a client-ssl profile in mode
``request`` does: the iRule then sees its verify result. Sessions are kept on the server (no tickets), so that a
resumed one still has the client's certificate and chain.
"""

from __future__ import annotations

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.objects import ClientSsl, ServerSsl, SslCertificate

NO_CERTIFICATE = 50
"""SSL::verify_result when the client sent no certificate (measured on TMOS)."""

UNTRUSTED = 20
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY."""

MAX_REMEMBERED = 20_480
"""Verify results kept for resumption; OpenSSL's session cache has the same size."""

_RECORD = 65_536
_HEADER = 5
"""Bytes before the content of a TLS record; the last two are the content's length."""

_VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_STDLIB_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1_2,
    "1.1": ssl.TLSVersion.TLSv1_2,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


class TlsFailure(LabError):
    """The TLS connection cannot go on."""


class ClientTls:
    """A client-ssl profile, ready for connections. Raises LabError if its certificates cannot be used.

    Of several certificates a client gets the one whose names contain the name that it asks for (SNI), or else the
    first (F5, K13452). Certificates with the same names, such as RSA and ECDSA, are offered together.
    """

    def __init__(self, profile: ClientSsl, pem: dict[str, str]) -> None:
        """``pem`` maps the paths that the profile names to PEM text."""
        self.profile = profile
        self._results: OrderedDict[bytes, int] = OrderedDict()
        self._contexts: list[tuple[frozenset[str], SSL.Context]] = []
        try:
            pairs: dict[frozenset[str], list[tuple[str, str]]] = {}
            for certificate, key in profile.certificates:
                names = _names(x509.load_pem_x509_certificates(pem[certificate].encode())[0])
                pairs.setdefault(names, []).append((pem[certificate], pem[key]))
            for names, loaded in pairs.items():
                self._contexts.append((names, self._context(loaded, pem)))
        except (KeyError, ValueError, SSL.Error, crypto.Error) as error:
            raise LabError(f"client-ssl profile {profile.path}: {error or 'unusable certificate'}") from error
        if not self._contexts:
            raise LabError(f"client-ssl profile {profile.path}: no certificate")
        self.context = self._contexts[0][1]
        if len(self._contexts) > 1:
            self.context.set_tlsext_servername_callback(self._choose)

    def _choose(self, connection: SSL.Connection) -> None:
        wanted = (connection.get_servername() or b"").decode("latin-1").lower()
        for names, context in self._contexts:
            if wanted in names or f"*.{wanted.partition('.')[2]}" in names:
                connection.set_context(context)
                return

    def _context(self, pairs: Sequence[tuple[str, str]], pem: dict[str, str]) -> SSL.Context:
        profile = self.profile
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(_VERSIONS[profile.minimum_version])
        context.set_max_proto_version(_VERSIONS[profile.maximum_version])
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_session_id(hashlib.sha256(profile.path.encode()).digest())
        for certificate, key in pairs:
            leaf, *rest = x509.load_pem_x509_certificates(certificate.encode())
            context.use_certificate(leaf)
            context.use_privatekey(load_pem_private_key(key.encode(), None))  # type: ignore[arg-type]  # any key
            for issuer in rest:
                context.add_extra_chain_cert(issuer)
        if profile.chain is not None:
            for issuer in x509.load_pem_x509_certificates(pem[profile.chain].encode()):
                context.add_extra_chain_cert(issuer)
        if profile.client_certificate == "ignore":
            context.set_verify(SSL.VERIFY_NONE)
            return context
        store = context.get_cert_store()
        if profile.trusted_ca is not None and store is not None:
            for authority in x509.load_pem_x509_certificates(pem[profile.trusted_ca].encode()):
                store.add_cert(crypto.X509.from_cryptography(authority))
        if profile.client_certificate == "require":
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _keep_first_error)
        else:
            context.set_verify(SSL.VERIFY_PEER, _keep_first_error)
        return context

    def remember(self, chain: tuple[bytes, ...], result: int) -> None:
        """Keep the verify result of a full handshake for the sessions resumed from it."""
        key = _digest(chain)
        self._results[key] = result
        self._results.move_to_end(key)
        if len(self._results) > MAX_REMEMBERED:
            self._results.popitem(last=False)

    def recall(self, chain: tuple[bytes, ...]) -> int:
        """The verify result of the full handshake with that chain; untrusted if it is not known any more."""
        return self._results.get(_digest(chain), UNTRUSTED)


class Records:
    """Follows the records of TLS (RFC 8446, section 5.1) through what one side sends."""

    __slots__ = ("_begun", "_left")

    def __init__(self) -> None:
        self._begun = b""
        self._left = 0

    def follow(self, data: bytes) -> int:
        """How many records end within ``data``; 0 also if it ends within one."""
        if self._begun:
            data = self._begun + data
            self._begun = b""
        at, ended, size = self._left, int(self._left > 0), len(data)
        while at + _HEADER <= size:
            at += _HEADER + (data[at + 3] << 8 | data[at + 4])
            ended += 1
        self._left = max(0, at - size)
        if at < size:
            self._begun = data[at:]
        return ended if at == size else 0


class _Verification:
    """What happened to the client's certificate during one handshake."""

    __slots__ = ("error", "ran", "required")

    def __init__(self, required: bool) -> None:
        self.required = required
        self.ran = False
        self.error = 0


def _keep_first_error(connection: SSL.Connection, _: crypto.X509, error: int, depth: int, verified: int) -> bool:
    """Verify callback: note the first error; go on unless a trusted certificate is required."""
    verification = connection.get_app_data()
    verification.ran = True
    verification.error = verification.error or error
    return not error or not verification.required


class ClientSide:
    """The TLS of one client connection: bytes in, bytes out, no socket."""

    def __init__(self, tls: ClientTls) -> None:
        self._tls = tls
        self._verification = _Verification(tls.profile.client_certificate == "require")
        self._connection = SSL.Connection(tls.context, None)
        self._connection.set_app_data(self._verification)
        self._connection.set_accept_state()
        self._records = Records()
        self.established = False
        self.certificates: tuple[bytes, ...] = ()
        self.verify_result = NO_CERTIFICATE

    def handshake(self, data: bytes) -> bool:
        """Take bytes from the network until the handshake is done; returns whether it is. Raises TlsFailure."""
        self._records.follow(data)
        self._connection.bio_write(data)
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TlsFailure(_reason(error)) from error
        self._identify()
        return True

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Take bytes from the network; returns plaintext, and whether the client has closed its side.

        Call it once with no data after the handshake, for what came with it. Raises TlsFailure.
        """
        whole = 0
        if data:
            whole = self._records.follow(data)
            self._connection.bio_write(data)
        pieces: list[bytes] = []
        try:
            # Each call takes a record at least. To be told that there are no more costs as much as to decrypt one.
            while not whole or len(pieces) < whole:
                pieces.append(self._connection.recv(_RECORD))
            return b"".join(pieces), False
        except SSL.WantReadError:
            return b"".join(pieces), False
        except SSL.ZeroReturnError:
            return b"".join(pieces), True
        except SSL.Error as error:
            raise TlsFailure(_reason(error)) from error

    def send(self, data: bytes) -> None:
        """Encrypt ``data``. Raises TlsFailure."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise TlsFailure(_reason(error)) from error

    def outgoing(self) -> bytes:
        """The bytes that have to go to the network now."""
        pieces = []
        try:
            while True:
                piece = self._connection.bio_read(_RECORD)
                pieces.append(piece)
                if len(piece) < _RECORD:
                    break
        except SSL.WantReadError:
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def details(self) -> tuple[str, str, int]:
        """OpenSSL's name of the cipher, the name of the version (``TLSv1.2``), the bits of the key."""
        connection = self._connection
        name, version = connection.get_cipher_name(), connection.get_protocol_version_name()
        return name or "none", version, connection.get_cipher_bits() or 0

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for (SNI)."""
        name = self._connection.get_servername()
        return name.decode("latin-1") if name is not None else None

    def close(self) -> None:
        """Say close_notify, if that is still possible."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return

    def end(self) -> None:
        """The TCP connection is over; its session may be resumed, with or without a close_notify.

        OpenSSL takes a session out of its cache when the connection is freed and neither side has said close_notify.
        TMM does so only with strict-resume, which is off by default (tmsh reference, ltm profile client-ssl).
        """
        self._connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)

    def _identify(self) -> None:
        """After the handshake: the client's chain and its verify result, of the full handshake if this resumed one."""
        self.established = True
        connection = self._connection
        leaf = connection.get_peer_certificate(as_cryptography=True)
        if leaf is None:
            return
        rest = connection.get_peer_cert_chain(as_cryptography=True) or []
        ders = [certificate.public_bytes(Encoding.DER) for certificate in (leaf, *rest)]
        self.certificates = (ders[0], *(der for der in ders[1:] if der != ders[0]))
        if self._verification.ran:
            self.verify_result = self._verification.error
            self._tls.remember(self.certificates, self.verify_result)
        else:
            self.verify_result = self._tls.recall(self.certificates)


@dataclass(frozen=True)
class ServerTls:
    """A server-ssl profile, ready for connections.

    ``server_name`` is sent as SNI; ``source`` is what it was made from: the profile and its CA file.
    """

    source: tuple[ServerSsl | None, SslCertificate | None]
    context: ssl.SSLContext
    server_name: str | None


def _unverified() -> ServerTls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return ServerTls((None, None), context, None)


UNVERIFIED = _unverified()
"""What an https monitor without a server-ssl profile speaks: TMOS does not verify there.

Carries no secret, decides only "up".
"""


def server_tls(profile: ServerSsl, authorities: SslCertificate | None) -> ServerTls:
    """Prepare a server-ssl profile; ``authorities`` is its CA file.

    As on TMOS the name is checked only with an authenticate-name, the chain only with ``verify``. TLS below 1.2 is
    not spoken. Raises LabError for what is not emulated.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _STDLIB_VERSIONS[profile.minimum_version]
    context.maximum_version = _STDLIB_VERSIONS[profile.maximum_version]
    context.check_hostname = False
    made = ServerTls((profile, authorities), context, profile.server_name)
    if not profile.verify:
        context.verify_mode = ssl.CERT_NONE
        return made
    if profile.authenticate_name not in (None, profile.server_name):
        raise LabError(f"server-ssl profile {profile.path}: authenticate-name other than server-name is not emulated")
    context.check_hostname = profile.authenticate_name is not None
    if profile.ca_file is not None:
        try:
            context.load_verify_locations(cadata=authorities.pem if authorities is not None else "")
        except (ValueError, ssl.SSLError) as error:
            raise LabError(f"server-ssl profile {profile.path}: CA file {profile.ca_file} is unusable") from error
    return made


class ServerSide:
    """The TLS of one server-side connection: bytes in, bytes out, no socket."""

    def __init__(self, tls: ServerTls) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = tls.context.wrap_bio(self._incoming, self._outgoing, server_hostname=tls.server_name)
        self.server_name = tls.server_name
        self.established = False

    def handshake(self, data: bytes) -> bool:
        """Like ClientSide.handshake; with no data it begins. Raises TlsFailure."""
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TlsFailure(getattr(error, "verify_message", None) or error.reason or str(error)) from error
        self.established = True
        return True

    def details(self) -> tuple[str, str, int]:
        """Like ClientSide.details."""
        name, _, bits = self._tls.cipher() or ("none", "", 0)
        return name, self._tls.version() or "none", bits

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The server's certificate in DER; the standard library does not show what came with it."""
        found = self._tls.getpeercert(binary_form=True)
        return (found,) if found else ()

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Like ClientSide.receive."""
        self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            while True:
                piece = self._tls.read(_RECORD)
                if not piece:
                    return b"".join(pieces), True
                pieces.append(piece)
                if not self._incoming.pending and not self._tls.pending():
                    return b"".join(pieces), False
        except ssl.SSLWantReadError:
            return b"".join(pieces), False
        except ssl.SSLError as error:
            raise TlsFailure(error.reason or str(error)) from error

    def send(self, data: bytes) -> None:
        """Encrypt ``data``. Raises TlsFailure."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise TlsFailure(str(error)) from error

    def outgoing(self) -> bytes:
        """The bytes that have to go to the network now."""
        return self._outgoing.read()


def _names(certificate: x509.Certificate) -> frozenset[str]:
    """The DNS names that a certificate is for, in lower case: its alternative names, or its common name."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return frozenset(name.lower() for name in alternatives.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return frozenset(str(name.value).lower() for name in common)


def _digest(chain: tuple[bytes, ...]) -> bytes:
    return hashlib.sha256(b"".join(chain)).digest()


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words, without Python's wrapping."""
    details = error.args[0] if error.args else None
    if isinstance(details, list) and details:
        return str(details[0][-1])
    return type(error).__name__
