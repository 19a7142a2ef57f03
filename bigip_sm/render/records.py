"""The records of the data groups that AS3 owns: routes, prefixes, access, networks and API keys.

The policy is data, so that changing it does not change the iRule. Every function returns records as AS3 writes them,
``{"key": ..., "value": ...}``, sorted by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bigip_sm.errors import RenderError
from bigip_sm.render.limits import counts_groups
from bigip_sm.render.stages import stages_of
from bigip_sm.render.targets import target_of
from bigip_sm.spec.identities import ApiKeyIdentity, NetworkIdentity, key_class
from bigip_sm.spec.model import Route, Spec
from bigip_sm.spec.principals import known_subjects, parse
from bigip_sm.spec.usage import allowed_by_operation, tells_operations

FORMAT = 1
"""Version of the route records; the first field of each."""

Records = list[dict[str, str]]


def route_records(spec: Spec, routes: Mapping[str, Route]) -> tuple[Records, Records]:
    """Records of a listener's routes: those of exact paths, and those of prefixes.

    ``<METHOD> <path>`` -> ``1|<route>|<scheme>|<signing service>|<upstream>|<role>|<body limit, bytes>|<upstream path>|
    <region>=<signed host>[=<kind of host>][,...]`` with the regions in order of preference, then ``|<stage>[,...]`` if
    the route uses optional stages; and ``* <path>`` -> the methods that the path takes, sorted, for answers with 405.
    The path of a prefix ends in its last slash, without the asterisk. Raises RenderError if two routes take the same
    requests.
    """
    targets = {name: target_of(name, spec.upstreams[name]) for name in {route.upstream for route in routes.values()}}
    exact: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    methods: dict[str, set[str]] = {}
    for name, route in routes.items():
        records = prefixes if is_prefix(route) else exact
        target, upstream = targets[route.upstream], f"{route.upstream}|{spec.upstreams[route.upstream].role or ''}"
        value = f"{FORMAT}|{name}|{target.scheme}|{target.service}|{upstream}|{route.limits.body}|{target.path}"
        value += f"|{','.join(place.choice for place in target.places)}"
        if stages := stages_of(spec, name):
            value += f"|{','.join(stages)}"
        for method in route.match.methods:
            key = f"{method} {route.match.path.removesuffix('*')}"
            if records.setdefault(key, value) != value:
                raise RenderError(f"routes.{name}: another route already takes {method} {route.match.path}")
        methods.setdefault(route.match.path, set()).update(route.match.methods)
    for path, known in methods.items():
        records = prefixes if path.endswith("*") else exact
        records[f"* {path.removesuffix('*')}"] = ",".join(sorted(known))
    return _sorted(exact), _sorted(prefixes)


def is_prefix(route: Route) -> bool:
    """Whether the route takes every path below its own."""
    return route.match.path.endswith("*")


def access_records(spec: Spec) -> Records:
    """Who may use which route, and with which role.

    ``<route>|<identity>:<subject>`` -> ``1`` and ``<route>|<identity>:`` -> ``1`` if every caller of the identity may,
    else ``0``. Then, each after a ``|``, what counts beside: ``group/<name>``, ``scope/<name>`` and ``class/<name>``
    open the route to tokens that have it, ``role/<role>/<group>`` says which role signs for members of the group, or
    for all if the group is empty; the first that fits. ``of/<group>`` says which group's callers the subject is counted
    with. ``<route>/<operation>`` in the place of the route says who may do that, on routes that tell operations apart.
    """
    found: dict[str, str] = {}
    for name, route in spec.routes.items():
        for identity in spec.identities:
            found.update(_access(spec, f"{name}|{identity}:", route, identity))
            if tells_operations(spec, route):
                for operation, allow in allowed_by_operation(spec, route).items():
                    of = route.model_copy(update={"allow": allow, "role_by_group": {}})
                    found.update(_access(spec, f"{name}/{operation}|{identity}:", of, identity))
    return _sorted(found)


def _access(spec: Spec, prefix: str, route: Route, name: str) -> dict[str, str]:
    """The records of one route and one identity; ``prefix`` is their key without a subject."""
    identity, by_group = spec.identities[name], counts_groups(route)
    subjects: dict[str, list[str]] = {}
    conditions = []
    for entry in (parse(entry) for entry in route.allow if entry.startswith(f"{name}:")):
        known = known_subjects(identity, entry)
        for subject in known or ():
            _grant(subjects, subject, "of", entry.name if by_group and entry.kind == "group" else "")
        if known is None:
            conditions.append(f"{entry.kind}/{entry.name}")
    for text, role in route.role_by_group.items():
        entry = parse(text)
        if entry.identity == name:
            members = known_subjects(identity, entry)
            if members is None:
                conditions.append(f"role/{role}/{entry.name}")
            for member in members or ():
                # A member needs a record of his own to have the role, if he may use the route at all.
                if "" in subjects or member in subjects:
                    _grant(subjects, member, "role", f"{role}/")
    if conditions:
        subjects[""] = [*subjects.get("", ["0"]), *conditions]
    return {f"{prefix}{subject}": "|".join(fields) for subject, fields in subjects.items()}


def _grant(subjects: dict[str, list[str]], subject: str, what: str, value: str) -> None:
    """Let a subject in, and note what goes with it; of several values of a kind the first counts."""
    fields = subjects.setdefault(subject, ["1"])
    if value and not any(field.startswith(f"{what}/") for field in fields):
        fields.append(f"{what}/{value}")


def network_records(identity: NetworkIdentity) -> Records:
    """Who owns which network: CIDR -> subject."""
    return _sorted({str(network): subject for network, subject in identity.networks.items()})


def key_records(identity: ApiKeyIdentity) -> Records:
    """Who holds which API key: its SHA-256, hex -> ``1|<class>|<subject>|<group>...``."""
    return _sorted(
        {
            digest: "|".join([str(FORMAT), key_class(identity, key), key.subject, *key.groups])
            for digest, key in identity.keys.items()
        }
    )


def _sorted(records: Mapping[str, str]) -> Records:
    return [{"key": key, "value": value} for key, value in sorted(records.items())]


def keys(records: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The keys of ``records``, in their order."""
    return tuple(record["key"] for record in records)
