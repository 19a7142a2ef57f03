"""The catalogue's commands on connections: addresses, TLS, load balancing, logging, the rule itself."""

from __future__ import annotations

from bigip_sm.lab.tcl.entries import CLIENT_SIDE, CONNECTION, ensemble, entry, flags, sub
from bigip_sm.tcl.forms import Command, names

_ONE = (1, 1)
_CLOSE = CLIENT_SIDE - {"HTTP_RESPONSE_RELEASE", "CLIENT_CLOSED"}
_LIST = flags("-list")
_CERTIFICATE = names(
    """CLIENTSSL_CLIENTCERT CLIENTSSL_HANDSHAKE HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED SERVERSSL_HANDSHAKE
    HTTP_REQUEST_SEND HTTP_REQUEST_RELEASE HTTP_RESPONSE HTTP_RESPONSE_DATA"""
)
_CIPHER = CONNECTION - names("CLIENT_ACCEPTED CLIENT_DATA SERVER_CONNECTED CLIENT_CLOSED")
_BEFORE_SERVER = names("HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED SERVER_CONNECTED")

ADDRESSES: tuple[Command, ...] = (
    entry("IP::client_addr", "", "the client's address", events=CONNECTION),
    entry("IP::server_addr", "", "the chosen pool member's address", events=CONNECTION),
    entry("IP::local_addr", "", "this end of the connection of the event's side", events=CONNECTION),
    entry("IP::remote_addr", "", "the other end of the connection of the event's side", events=CONNECTION),
    entry("IP::protocol", "", "the number of the protocol: 6", events=CONNECTION),
    entry("IP::version", "", "the version of IP: 4 or 6", events=CONNECTION),
    entry("IP::addr", "address equals network ?mask mask? | address mask mask", "compares or masks", (3, 5)),
    entry("TCP::client_port", "", "the client's port", events=CONNECTION),
    entry("TCP::server_port", "", "the chosen pool member's port", events=CONNECTION),
    entry("TCP::local_port", "", "this end of the connection of the event's side", events=CONNECTION),
    entry("TCP::remote_port", "", "the other end of the connection of the event's side", events=CONNECTION),
    entry("TCP::close", "", "closes the client's connection", events=CONNECTION, lab=_CLOSE),
    entry("TCP::respond", "bytes", "sends bytes to the client past HTTP", _ONE, events=CONNECTION, lab=_CLOSE),
    entry("TMM::cmp_unit", "", "the number of the TMM that runs the rule, from 0"),
    entry("TMM::cmp_count", "", "how many TMMs there are"),
    entry("clientside", "{script}", "runs a script as if in an event of the client's side", _ONE, events=CONNECTION),
    entry("serverside", "{script}", "runs a script as if in an event of the server's side", _ONE, events=CONNECTION),
)

TLS: tuple[Command, ...] = (
    entry(
        "SSL::cert",
        "number",
        "a certificate of the peer's chain, 0 being its own",
        _ONE,
        events=_CERTIFICATE,
        subcommands={
            "count": sub("", "how many certificates the peer sent"),
            "issuer": sub("number", "the certificate of the issuer of that one", _ONE),
        },
    ),
    entry(
        "SSL::verify_result",
        "?number?",
        "OpenSSL's verify result: 0 ok, 20 untrusted, 50 no certificate; or sets it",
        (0, 1),
        events=_CERTIFICATE,
    ),
    ensemble(
        "SSL::cipher",
        "the cipher of the connection of the event's side",
        events=_CIPHER,
        name=sub("", "its name"),
        version=sub("", "the version of TLS, such as TLSv1.2"),
        bits=sub("", "the bits of its key"),
    ),
    ensemble("SSL::sni", "server name indication", events=_CERTIFICATE, name=sub("", "the name that the client sent")),
    entry("SSL::mode", "", "whether the connection of the event's side speaks TLS", events=CONNECTION),
    entry(
        "SSL::profile",
        "name",
        "switches the server-ssl profile",
        _ONE,
        events=CONNECTION,
        lab=names("SERVER_CONNECTED"),
    ),
    entry(
        "SSL::disable", "?serverside?", "no TLS towards the pool member", (0, 1), events=CONNECTION, lab=_BEFORE_SERVER
    ),
    entry(
        "SSL::enable",
        "?serverside?",
        "TLS towards the pool member again",
        (0, 1),
        events=CONNECTION,
        lab=_BEFORE_SERVER,
    ),
    entry(
        "SSL::respond",
        "bytes",
        "sends bytes to the client through TLS, past HTTP",
        _ONE,
        events=names("CLIENTSSL_HANDSHAKE HTTP_REQUEST HTTP_REQUEST_DATA"),
    ),
)

BALANCING: tuple[Command, ...] = (
    entry("pool", "name ?member address ?port??", "chooses the pool, or a member of it", (1, 4), events=CONNECTION),
    entry("node", "address ?port?", "chooses a server outside of any pool", (1, 2), events=CONNECTION),
    entry("snat", "none|automap|address", "accepted; the lab translates no addresses", (1, 2), events=CONNECTION),
    ensemble(
        "persist",
        "persistence; the lab knows none",
        events=CONNECTION,
        none=sub("", "no persistence for this connection: as it is anyway"),
    ),
    entry(
        "active_members",
        "?-list? pool",
        "how many members are available, or which",
        _ONE,
        options=_LIST,
        events=CONNECTION,
    ),
    entry("members", "?-list? pool", "how many members there are, or which", _ONE, options=_LIST, events=CONNECTION),
    entry(
        "active_nodes", "?-list? pool", "how many nodes are available, or which", _ONE, options=_LIST, events=CONNECTION
    ),
    entry("nodes", "?-list? pool", "how many nodes there are, or which", _ONE, options=_LIST, events=CONNECTION),
    entry(
        "LB::server",
        "",
        "the chosen pool, address and port",
        events=CONNECTION,
        subcommands={
            "pool": sub("", "the pool"),
            "addr": sub("", "the member's address"),
            "port": sub("", "its port"),
        },
    ),
    entry(
        "LB::reselect",
        "?pool name ?member address ?port??? | ?node address ?port??",
        "chooses again",
        (0, 5),
        events=CONNECTION,
        lab=names("LB_SELECTED LB_FAILED"),
    ),
    entry(
        "LB::detach",
        "",
        "ends the bond with the server-side connection before the next request goes out",
        events=CONNECTION,
        lab=names("HTTP_REQUEST HTTP_REQUEST_DATA HTTP_RESPONSE"),
    ),
    entry(
        "LB::status",
        "pool name member address port ?status?",
        "up, down or session_disabled; or whether it is that",
        (5, 6),
        events=CONNECTION,
    ),
)

RULE: tuple[Command, ...] = (
    entry("log", "?-noname? ?facility.level? message", "writes to /var/log/ltm", (1, 2), options=flags("-noname")),
    entry(
        "HSL::open",
        "-proto TCP|UDP -pool name",
        "a handle for HSL::send",
        (0, 0),
        options=flags("", "-proto -pool"),
        events=CONNECTION,
    ),
    entry("HSL::send", "handle bytes", "sends a message to a member of the pool", (2, 2), events=CONNECTION),
    entry("call", "?rule::?name ?argument ...?", "calls a procedure, of another rule too", (1, None)),
    entry(
        "after",
        "milliseconds ?-periodic? ?script? | cancel id ?id ...? | info ?id?",
        "suspends the rule, or runs a script later",
        (1, None),
        events=CONNECTION,
    ),
    entry(
        "event",
        "?name? enable|disable | enable|disable all",
        "whether events run, on this connection",
        (1, 2),
        events=CONNECTION,
    ),
    entry("virtual", "?name?", "the path of the virtual server", (0, 1), events=CONNECTION),
    entry("reject", "", "resets the connection", events=CONNECTION),
    entry("drop", "", "forgets the connection without a word to the client", events=CONNECTION),
    entry("discard", "", "forgets the connection without a word to the client", events=CONNECTION),
    entry(
        "STATS::get", "profile field", "a counter of the virtual server's statistics profile", (2, 2), events=CONNECTION
    ),
    entry("STATS::set", "profile field ?value?", "sets a counter", (2, 3), events=CONNECTION),
    entry("STATS::incr", "profile field ?number?", "adds to a counter", (2, 3), events=CONNECTION),
    entry("STATS::setmax", "profile field value", "raises a counter to a value", (3, 3), events=CONNECTION),
    entry("STATS::setmin", "profile field value", "lowers a counter to a value", (3, 3), events=CONNECTION),
)
