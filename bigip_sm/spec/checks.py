"""The rules of gateway.yaml that need more than one place of the file, beginning with names that must exist.

``check`` runs them all. The rules about callers are in ``check_identities`` and ``check_access``, those about routes,
listeners and addresses in ``check_traffic``, about content in ``check_content``, those about AWS in ``check_aws`` and
``check_sources``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bigip_sm.errors import Problem
from bigip_sm.spec.check_access import check_allow, check_role_by_group, check_role_names
from bigip_sm.spec.check_aws import check_regions, check_roles
from bigip_sm.spec.check_content import check_fields, check_guards, check_validation
from bigip_sm.spec.check_identities import check_identities
from bigip_sm.spec.check_limits import check_limits
from bigip_sm.spec.check_operations import check_operations
from bigip_sm.spec.check_places import check_places
from bigip_sm.spec.check_regions import check_versions, check_weights
from bigip_sm.spec.check_sources import check_rotation, check_sources
from bigip_sm.spec.check_traffic import check_derived_names, check_listeners, check_networks, check_routes
from bigip_sm.spec.check_upstreams import check_routes_of_kinds, check_upstreams
from bigip_sm.spec.draft import Draft
from bigip_sm.spec.positions import quoted


def check(draft: Draft) -> list[Problem]:
    """Return every problem between places of the file, as far as its parts are right by themselves."""
    found: list[Problem] = []
    for rule in (
        check_references,
        check_allow,
        check_identities,
        check_role_by_group,
        check_role_names,
        check_listeners,
        check_networks,
        check_routes,
        check_derived_names,
        check_validation,
        check_fields,
        check_limits,
        check_operations,
        check_guards,
        check_regions,
        check_versions,
        check_weights,
        check_upstreams,
        check_routes_of_kinds,
        check_places,
        check_roles,
        check_sources,
        check_rotation,
    ):
        found += rule(draft)
    return found


def check_references(draft: Draft) -> Iterator[Problem]:
    """Names that do not exist: a route's listener and upstream, an upstream's role."""
    for section, key, target in (
        ("routes", "listener", "listeners"),
        ("routes", "upstream", "upstreams"),
        ("upstreams", "role", "roles"),
    ):
        known = dict.fromkeys(draft.names(target))
        for name in draft.names(section):
            wrong = draft.text(section, name, key)
            if wrong is not None and wrong not in known:
                advice = draft.suggester.advice(wrong, known.keys(), target)
                yield draft.problem((section, name, key), f"there is no {key} {quoted(wrong)}", advice)
