"""The closed world of commands: what an iRule may call in the lab, how, and in which events.

TMM resolves every literal command, its number of arguments and its legality in an event when a rule is loaded
(measured: bitwisecook/tcl-lsp, "BIG-IP iRule parser measurements", sections 4a, 5 and 8). ``CATALOGUE`` holds the
iRule commands that the data plane implements, all of them and no more; ``stock.STOCK`` the commands of Tcl 8.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bigip_sm.lab.tcl.events import EVENTS


@dataclass(frozen=True)
class Form:
    """One way to call a command.

    ``minimum`` and ``maximum`` (``None``: any number) count the arguments after the subcommand and the options.
    ``options`` maps an option to the number of values that follow it; ``--`` ends them where it is listed. ``events``
    are those in which this form is legal, ``None`` meaning those of the command.
    """

    minimum: int = 0
    maximum: int | None = 0
    options: Mapping[str, int] = field(default_factory=dict)
    events: frozenset[str] | None = None
    summary: str = ""


@dataclass(frozen=True)
class Command:
    """A command: its subcommands, and the form it has without one (``None``: a subcommand is needed).

    ``events`` are those in which TMM takes it, ``None`` meaning all; ``lab_events`` those of them in which the lab
    emulates it, ``None`` meaning all of them.
    """

    name: str
    summary: str
    form: Form | None = None
    subcommands: Mapping[str, Form] = field(default_factory=dict)
    events: frozenset[str] | None = None
    lab_events: frozenset[str] | None = None


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_CONNECTION = frozenset(EVENTS) - {"RULE_INIT"}
_REQUEST_HEAD = names(
    """HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED LB_FAILED SA_PICKED SERVER_CONNECTED HTTP_REQUEST_SEND
    HTTP_REQUEST_RELEASE"""
)
_RESPONSE_HEAD = names("HTTP_RESPONSE HTTP_RESPONSE_DATA HTTP_RESPONSE_RELEASE")
_RESPOND = names("HTTP_REQUEST HTTP_REQUEST_DATA LB_FAILED") | _RESPONSE_HEAD
_COLLECT = names("HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED HTTP_RESPONSE HTTP_RESPONSE_DATA")
_CLIENT_CERTIFICATE = names("CLIENTSSL_CLIENTCERT CLIENTSSL_HANDSHAKE HTTP_REQUEST HTTP_REQUEST_DATA")


def _read(name: str, summary: str, events: frozenset[str] | None) -> Command:
    return Command(name, summary, Form(), events=events)


_COMMANDS = (
    _read("HTTP::method", "the request's method", _REQUEST_HEAD),
    Command("HTTP::path", "the request's path; an argument replaces it", Form(0, 1), events=_REQUEST_HEAD),
    Command("HTTP::uri", "the request's path and query; an argument replaces both", Form(0, 1), events=_REQUEST_HEAD),
    _read("HTTP::query", "the request's query, without the question mark", _REQUEST_HEAD),
    _read("HTTP::host", "the value of the Host header", _REQUEST_HEAD),
    _read("HTTP::version", "the version of HTTP: 1.0 or 1.1", _REQUEST_HEAD | _RESPONSE_HEAD),
    _read("HTTP::status", "the response's status", _RESPONSE_HEAD),
    Command(
        "HTTP::header",
        "headers of the message at hand; their names compare without case",
        Form(1, 1, summary="the value of the last header of that name, or empty"),
        {
            "value": Form(1, 1, summary="the value of the last header of that name, or empty"),
            "values": Form(1, 1, summary="list of the values of all headers of that name"),
            "names": Form(summary="list of the names of all headers"),
            "count": Form(0, 1, summary="how many headers there are, or how many of that name"),
            "exists": Form(1, 1, summary="whether there is a header of that name"),
            "insert": Form(2, None, summary="adds headers: name value ?name value ...?"),
            "replace": Form(1, 2, summary="sets a header's value, adding the header if there is none"),
            "remove": Form(1, 1, summary="removes the headers of that name"),
        },
        _REQUEST_HEAD | _RESPONSE_HEAD,
    ),
    Command(
        "HTTP::respond",
        "answers the client: status ?-version 1.0|1.1? ?content text? ?noserver? ?name value ...?",
        Form(1, None),
        events=_RESPOND,
    ),
    _read("HTTP::has_responded", "whether the client was answered already", _REQUEST_HEAD | _RESPONSE_HEAD),
    Command(
        "HTTP::collect",
        "collects that many bytes of the body, or all of it if it is shorter, for the *_DATA event",
        Form(1, 1),
        events=_COLLECT,
        lab_events=names("HTTP_REQUEST"),
    ),
    Command(
        "HTTP::release",
        "lets what was collected go on",
        Form(),
        events=_COLLECT,
        lab_events=names("HTTP_REQUEST HTTP_REQUEST_DATA"),
    ),
    Command(
        "HTTP::payload",
        "what was collected, as bytes",
        Form(),
        {
            "length": Form(summary="its length in bytes"),
            "replace": Form(3, 3, summary="replaces bytes of it: offset length text"),
        },
        _COLLECT,
        names("HTTP_REQUEST HTTP_REQUEST_DATA"),
    ),
    Command(
        "SSL::cert",
        "the client's certificate chain; with a number: that certificate, 0 being the client's",
        Form(1, 1),
        {"count": Form(summary="how many certificates the client sent")},
        _CLIENT_CERTIFICATE,
    ),
    _read("SSL::verify_result", "OpenSSL's verify result: 0 ok, 20 untrusted, 50 no certificate", _CLIENT_CERTIFICATE),
    Command(
        "SSL::profile",
        "switches the server-ssl profile",
        Form(1, 1),
        events=_CONNECTION,
        lab_events=names("SERVER_CONNECTED"),
    ),
    Command(
        "SSL::respond",
        "sends bytes to the client through TLS, past HTTP",
        Form(1, 1),
        events=names("CLIENTSSL_HANDSHAKE HTTP_REQUEST HTTP_REQUEST_DATA"),
    ),
    Command("X509::subject", "a certificate's subject; with commonName: only that", Form(1, 2)),
    _read("IP::client_addr", "the client's address", _CONNECTION),
    _read("TCP::client_port", "the client's port", _CONNECTION),
    Command(
        "class",
        "data groups",
        None,
        {
            "match": Form(
                3,
                3,
                {"-all": 0, "-element": 0, "-name": 0, "-value": 0, "--": 0},
                summary="item operator group: whether a record matches; or its name, its value, or both",
            ),
            "lookup": Form(2, 2, {"--": 0}, summary="item group: the value of the record of that name, or empty"),
            "exists": Form(1, 1, summary="whether there is a data group of that name"),
            "size": Form(1, 1, summary="the number of its records"),
        },
    ),
    Command("CRYPTO::hash", "-alg name data: the digest, binary", Form(1, 1, {"-alg": 1})),
    Command(
        "CRYPTO::sign",
        "-alg hmac-name (-key bytes | -keyhex hex) data: the HMAC, binary",
        Form(1, 1, {"-alg": 1, "-key": 1, "-keyhex": 1}),
    ),
    Command("sha256", "the SHA-256 of a string, binary", Form(1, 1)),
    Command("pool", "chooses the pool", Form(1, 1), events=_CONNECTION),
    Command("active_members", "the number of available members of a pool", Form(1, 1), events=_CONNECTION),
    Command(
        "LB::server",
        "the chosen pool member",
        Form(),
        {"pool": Form(summary="the pool"), "addr": Form(summary="its address"), "port": Form(summary="its port")},
        _CONNECTION,
    ),
    _read("TMM::cmp_unit", "the number of the TMM that runs the rule, from 0", None),
    Command("log", "?-noname? facility.level message: writes to /var/log/ltm", Form(1, 2, {"-noname": 0})),
    Command("call", "calls a procedure of the rule: name ?argument ...?", Form(1, None)),
    _read("reject", "resets the connection", _CONNECTION),
)

CATALOGUE: dict[str, Command] = {command.name: command for command in _COMMANDS}

# Refused when written literally; 16 of them do not exist in TMM, the others its rule compiler bars (measured on
# 21.1).
DISABLED = names(
    """auto_execok auto_import auto_load auto_qualify cd eof exec exit fblocked fconfigure fcopy file flush gets
    glob interp load namespace open package pid pwd rename seek socket source tell time unknown update vwait"""
)

CLASS_OPERATORS = names("equals starts_with ends_with contains")
DIGESTS = names("md5 ripemd160 sha1 sha224 sha256 sha384 sha512")
