"""The profiles that every BIG-IP brings in /Common, as far as the lab emulates their class.

Values: F5's "tmsh reference" for ``ltm profile http``, ``one-connect`` and ``tcp`` (f5-tcp-* of TMOS 17).
"""

from __future__ import annotations

from bigip_sm.lab.bigip.objects import HttpProfile, Object, OneConnect, TcpProfile

KNOWN_METHODS = (
    "CONNECT",
    "DELETE",
    "GET",
    "HEAD",
    "LOCK",
    "OPTIONS",
    "POST",
    "PROPFIND",
    "PUT",
    "TRACE",
    "UNLOCK",
)
"""Methods that an HTTP profile knows by default (AS3 schema, HTTP_Profile.knownMethods)."""

HTTP = HttpProfile(
    "/Common/http",
    insert_x_forwarded_for=False,
    enforce_rfc=False,
    reject_pipelining=False,
    known_methods=KNOWN_METHODS,
    reject_unknown_methods=False,
    server_agent_name="BigIP",
    max_header_size=32768,
    max_header_count=64,
)
ONE_CONNECT = OneConnect("/Common/oneconnect", max_age=86400, max_reuse=1000, max_size=10000)
TCP = {
    name: TcpProfile(f"/Common/{profile}", 300, 1800, syn_rto_base_ms=3000, syn_max_retrans=3)
    for name, profile in {
        "normal": "f5-tcp-progressive",
        "lan": "f5-tcp-lan",
        "wan": "f5-tcp-wan",
        "mobile": "f5-tcp-mobile",
    }.items()
}
"""The TCP profiles behind AS3's words for them."""

BUILTIN: tuple[Object, ...] = (HTTP, ONE_CONNECT, *TCP.values())
