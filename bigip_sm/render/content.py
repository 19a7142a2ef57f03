"""The records of what requests and answers may contain, keyed by route; each stage looks up its own."""

from __future__ import annotations

from bigip_sm.render.guards import decides
from bigip_sm.render.records import Records
from bigip_sm.spec.content import Shape, Validation
from bigip_sm.spec.model import Spec
from bigip_sm.spec.usage import checks_content

FORMAT = 1
"""Version of these records; the first field of each."""


def _checked(spec: Spec, name: str) -> bool:
    return checks_content(spec.routes[name]) or decides(spec, name, "request")


def validation_records(spec: Spec) -> Records:
    """What a route's requests must look like.

    ``<route>`` -> ``1|<content types>|<required headers>|<levels>|<members>|<longest string, bytes>|<models>|<fields>|
    <shape>``; lists are separated by blanks, 0 bytes are no limit.
    """
    return [{"key": name, "value": _validation(spec, name)} for name in sorted(spec.routes) if _checked(spec, name)]


def _validation(spec: Spec, name: str) -> str:
    route = spec.routes[name]
    rules = route.validation or Validation()
    fields = (
        FORMAT,
        " ".join(rules.content_types),
        " ".join(rules.headers),
        rules.levels,
        rules.members,
        rules.string or 0,
        " ".join(route.match.models),
        " ".join(rules.fields),
        rules.shape or "",
    )
    return "|".join(map(str, fields))


def shape_records(spec: Spec) -> Records:
    """What a route's answers may tell.

    ``<route>`` -> ``1|<unwrap or pass>|<fields>|<headers kept>[|<header>:<value>]...``; lists are separated by blanks.
    """
    return [
        {"key": name, "value": _shape(route.shape)}
        for name, route in sorted(spec.routes.items())
        if route.shape is not None
    ]


def _shape(shape: Shape) -> str:
    headers = (f"{name}:{value}" for name, value in sorted(shape.headers.items()))
    return "|".join([f"{FORMAT}", shape.errors, " ".join(shape.fields), " ".join(shape.keep_headers), *headers])
