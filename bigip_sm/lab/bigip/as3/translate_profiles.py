"""HTTP_Profile, TCP_Profile, Multiplex_Profile and Statistics_Profile as objects of the device."""

from __future__ import annotations

from bigip_sm.lab.bigip.as3.invalid import lab_gap
from bigip_sm.lab.bigip.as3.scope import Item, Scope
from bigip_sm.lab.bigip.builtin import KNOWN_METHODS
from bigip_sm.lab.bigip.objects import HttpProfile, Object, OneConnect, StatisticsProfile, TcpProfile
from bigip_sm.lab.bigip.replies import Json


def http_profile(_scope: Scope, item: Item) -> list[Object]:
    """The HTTP profile of an HTTP_Profile item; mind that AS3 turns X-Forwarded-For on."""
    body = item.body
    for name in ("pipelineAction", "unknownMethodAction"):
        if body.get(name) == "pass-through":
            raise lab_gap(f"{item.path}/{name}", "'pass-through' is")
    agent = body.get("serverHeaderValue", "BigIP")
    made = HttpProfile(
        item.path,
        insert_x_forwarded_for=body.get("xForwardedFor", True),
        enforce_rfc=body.get("enforceRFCCompliance", False),
        reject_pipelining=body.get("pipelineAction", "allow") == "reject",
        known_methods=tuple(body.get("knownMethods", KNOWN_METHODS)),
        reject_unknown_methods=body.get("unknownMethodAction", "allow") == "reject",
        server_agent_name=None if agent == "none" else agent,
        max_header_size=body.get("maxHeaderSize", 32768),
        max_header_count=body.get("maxHeaderCount", 64),
        hsts=_hsts(body) if body.get("hstsInsert", False) else None,
    )
    return [made]


def _hsts(body: Json) -> str:
    """The header's value; AS3's default is 91 days (schema, HTTP_Profile.hstsPeriod)."""
    value = f"max-age={body.get('hstsPeriod', 7_862_400)}"
    value += "; includeSubDomains" if body.get("hstsIncludeSubdomains", True) else ""
    return value + ("; preload" if body.get("hstsPreload", False) else "")


def tcp_profile(_scope: Scope, item: Item) -> list[Object]:
    """The TCP profile of a TCP_Profile item."""
    body = item.body
    made = TcpProfile(
        item.path,
        idle_timeout=body.get("idleTimeout", 300),
        keep_alive_interval=body.get("keepAliveInterval", 1800),
        syn_rto_base_ms=body.get("synRtoBase", 3000),
        syn_max_retrans=body.get("synMaxRetrans", 3),
    )
    return [made]


def multiplex_profile(_scope: Scope, item: Item) -> list[Object]:
    """The OneConnect profile of a Multiplex_Profile item."""
    body = item.body
    made = OneConnect(
        item.path,
        max_age=body.get("maxConnectionAge", 86400),
        max_reuse=body.get("maxConnectionReuse", 1000),
        max_size=body.get("maxConnections", 10000),
    )
    return [made]


def statistics_profile(_scope: Scope, item: Item) -> list[Object]:
    """The statistics profile of a Statistics_Profile item: the names of its counters, in order of their fields."""
    named = (item.body.get(f"field{number}", "") for number in range(1, 33))
    return [StatisticsProfile(item.path, tuple(name for name in named if name))]
