"""The objects that every BIG-IP brings in /Common, as far as the lab emulates their class.

Values: F5's "tmsh reference" for ``ltm profile http``, ``one-connect``, ``tcp`` (f5-tcp-* of TMOS 17) and
``ltm monitor https``.
"""

from __future__ import annotations

from bigip_sm.errors import RuleError
from bigip_sm.lab.bigip.objects import HttpProfile, HttpsMonitor, Object, OneConnect, Rule, TcpProfile
from bigip_sm.lab.tcl import load

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

HTTPS_MONITOR = HttpsMonitor("/Common/https", "GET /\\r\\n", "", interval=5, timeout=16, server_ssl=None)
REDIRECT = Rule(
    "/Common/_sys_https_redirect",
    """when HTTP_REQUEST {
   HTTP::redirect https://[getfield [HTTP::host] ":" 1][HTTP::uri]
}
""",
)
"""The rule behind AS3's ``redirect80``."""


def builtin_objects() -> tuple[Object, ...]:
    """All of them; a rule only if the lab has the commands that it uses."""
    return (HTTP, ONE_CONNECT, *TCP.values(), HTTPS_MONITOR, *(rule for rule in (REDIRECT,) if _loads(rule)))


def _loads(rule: Rule) -> bool:
    try:
        load(rule.path, rule.text)
    except RuleError:
        return False
    return True
