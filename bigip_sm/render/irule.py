"""The iRule of a listener, composed of one template per pipeline stage (design section 7).

The structure is compiled into the text: which stages there are, object names, host names, constants. The data -
routes, access, networks, credentials - stays in data groups.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bigip_sm.render.audit import VERSION as AUDIT_VERSION
from bigip_sm.render.audit import failures
from bigip_sm.render.callers import callers_of
from bigip_sm.render.failover import FLOOR, WINDOW
from bigip_sm.render.guards import guards_of
from bigip_sm.render.mlflow import ENTITIES as MLFLOW_ENTITIES
from bigip_sm.render.mlflow import SEARCHES as MLFLOW_SEARCHES
from bigip_sm.render.prompts import TEXT_CHAT, prompts_of
from bigip_sm.render.reasons import REASONS
from bigip_sm.render.regions import VERSION_HEADER
from bigip_sm.render.requests import RULES, given_headers, rules_of
from bigip_sm.render.stages import ANSWER, BODY, CHOOSE, FORWARD, OPTIONAL, REQUEST, RESPONSE, stages_of
from bigip_sm.render.targets import DEFAULT_HOSTS, places_of
from bigip_sm.spec.model import Hsts, Spec
from bigip_sm.spec.names import (
    GROUP_PATTERN,
    SUBJECT_PATTERN,
    audit_group,
    credential_group,
    jwks_group,
    object_path,
    weights_group,
)
from bigip_sm.spec.usage import roles_of

if TYPE_CHECKING:
    from jinja2 import Environment, Template

CONTROLS = " ".join(f'"\\x{code:02x}" "\\\\u{code:04x}"' for code in range(1, 32))
"""Control characters and their escapes in JSON, as a Tcl list."""

ANSWER_LIMIT = 1024**2
"""Bytes that an answer, or one event of a stream, may have where a stage must read it whole."""

JSON_LEVELS = 32
"""Levels of nesting that a request's JSON may have, the object itself included."""

JSON_MEMBERS = 1000
"""Members that the JSON object of a request may have at its top level."""


def render_irule(spec: Spec, listener: str) -> str:
    """The text of the iRule for one listener: ASCII, LF, ending in a newline. Same input, same bytes."""
    names = [name for name, route in spec.routes.items() if route.listener == listener]
    routes = [spec.routes[name] for name in names]
    uses = frozenset(stage for name in names for stage in stages_of(spec, name))
    upstreams = {name for route in routes for name in route.all_upstreams}
    places = places_of(spec, upstreams)
    callers = callers_of(spec, listener)
    return _template().render(
        gateway=spec.gateway,
        listener=listener,
        hostnames=sorted(spec.listeners[listener].hostnames),
        hsts=_hsts_words(spec.listeners[listener].hsts),
        callers=callers,
        roles=sorted({role for route in routes for role in roles_of(spec, route)}),
        schemes=sorted({spec.upstreams[name].scheme for name in upstreams}),
        server_tls=sorted({place.tls for place in places}),
        other_hosts=any(place.hosts != DEFAULT_HOSTS for place in places),
        usual_hosts=DEFAULT_HOSTS,
        failover_window=WINDOW,
        failover_floor=FLOOR,
        failover=any(len(spec.upstreams[name].regions) > 1 for name in upstreams),
        rules=[rule for rule in RULES if rule in rules_of(spec, listener)],
        mlflow_entities=MLFLOW_ENTITIES,
        mlflow_searches=MLFLOW_SEARCHES,
        given=given_headers(spec, listener),
        key_headers=[identity.header for _, identity in callers.keys],
        uses=uses,
        request_stages=[stage for stage in REQUEST if stage not in OPTIONAL or stage in uses],
        body_stages=[stage for stage in BODY if stage in uses],
        choose_stages=[stage for stage in CHOOSE if stage in uses],
        forward_stages=[stage for stage in FORWARD if stage in uses],
        response_stages=[stage for stage in RESPONSE if stage in uses],
        answer_stages=[stage for stage in ANSWER if stage in uses],
        guards=guards_of(spec, names),
        prompts=prompts_of(spec, upstreams),
        text_chat=TEXT_CHAT,
        controls=CONTROLS,
        answer_limit=ANSWER_LIMIT,
        json_levels=JSON_LEVELS,
        json_members=JSON_MEMBERS,
        audit=spec.audit,
        audit_version=AUDIT_VERSION,
        audit_group=audit_group(spec.gateway),
        failures=failures(),
        reads_json=bool(callers.tokens) or bool(uses & {"json", "shape", "guard_response", "owe"}),
        has_prefixes=any(route.match.path.endswith("*") for route in routes),
        reasons=[
            reason
            for reason in REASONS.values()
            if not reason.stage or set(reason.stage.split()) & (callers.types | uses | rules_of(spec, listener))
        ],
        subject_pattern=SUBJECT_PATTERN,
        group_pattern=GROUP_PATTERN,
        group=lambda item: object_path(spec.gateway, item),
        credential_group=lambda role: credential_group(spec.gateway, role),
        jwks_group=jwks_group(spec.gateway),
        weights_group=weights_group(spec.gateway),
        version_header=VERSION_HEADER if VERSION_HEADER in given_headers(spec, listener) else "",
    )


def _hsts_words(hsts: Hsts | None) -> str:
    """Name and value of the header for the end of an ``HTTP::respond``, which no HTTP profile adds anything to.

    The value is spelled as the profile spells it in the answers of servers. Empty if nothing is to be told.
    """
    if hsts is None:
        return ""
    value = f"max-age={hsts.max_age}{'; includeSubDomains' * hsts.include_subdomains}{'; preload' * hsts.preload}"
    return f' Strict-Transport-Security "{value}"'


def _refuse(code: str, *, allow: str = "", connection: str = "$bsm_connection") -> str:
    """The call that refuses a request; whoever writes it follows it with ``return``."""
    return f"call bsm_refuse {REASONS[code].code} $bsm_id {connection} {allow}".rstrip()


@lru_cache(maxsize=1)
def _template() -> Template:
    return _environment().get_template("rule.tcl.j2")


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Tcl is full of braces, so the template language uses other delimiters.
    environment = Environment(
        loader=PackageLoader("bigip_sm.irules", "."),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is Tcl, and every value that enters it is bounded by the spec's patterns
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    environment.globals["refuse"] = _refuse
    return environment
