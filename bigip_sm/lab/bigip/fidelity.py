"""What of the management interface is emulated: the table behind the documentation.

The AS3 classes and their properties have a table of their own, ``as3/classes.py``. Whatever is in neither is refused,
and the answer says "not emulated by the lab".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One path of the interface: the methods that work, and how far. ``<...>`` stands for a name."""

    path: str
    methods: tuple[str, ...]
    note: str


_READ = ("GET",)
_ALL = ("GET", "POST", "PATCH", "PUT", "DELETE")

ENDPOINTS = (
    Endpoint("/mgmt/shared/authn/login", ("POST",), "loginProviderName tmos; 100 tokens a user, none for admin"),
    Endpoint(
        "/mgmt/shared/authz/tokens/<token>",
        ("GET", "PATCH", "DELETE"),
        "one's own only; 1,200 s, up to 36,000 s; 17.1.2 never reaps expired ones",
    ),
    Endpoint("/mgmt/tm/auth/partition[/<name>]", ("GET", "POST", "DELETE"), "route domain 0 only"),
    Endpoint("/mgmt/tm/cli/version", _READ, ""),
    Endpoint("/mgmt/tm/cm", ("POST",), "run config-sync to-group, from-group, force-full-load-push"),
    Endpoint("/mgmt/tm/cm/device[/<name>]", _READ, ""),
    Endpoint("/mgmt/tm/cm/device-group[/<name>[/devices]]", _READ, "made with the cluster, not by REST"),
    Endpoint("/mgmt/tm/cm/failover-status", _READ, "ACTIVE, STANDBY"),
    Endpoint("/mgmt/tm/cm/sync-status", _READ, "with details and recommended actions"),
    Endpoint(
        "/mgmt/tm/ltm/data-group/internal[/<name>]",
        _ALL,
        "$select, $filter=partition eq; options=records add, modify, delete; PUT by TMOS version",
    ),
    Endpoint("/mgmt/tm/ltm/pool[/<name>[/members[/<member>]][/stats]]", _READ, "what AS3 made; FQDN templates"),
    Endpoint("/mgmt/tm/ltm/rule[/<name>]", _ALL, "loaded as TMM does; refused while in use"),
    Endpoint("/mgmt/tm/ltm/virtual[/<name>[/profiles]]", _READ, "what AS3 made"),
    Endpoint("/mgmt/tm/net/self", _READ, "one address"),
    Endpoint("/mgmt/tm/sys", _READ, "the version in its link"),
    Endpoint("/mgmt/tm/sys/config", ("POST",), "save; a reboot brings back what was saved"),
    Endpoint("/mgmt/tm/sys/folder[/<name>]", ("GET", "POST", "PATCH", "DELETE"), "device group and traffic group"),
    Endpoint("/mgmt/tm/sys/provision[/<module>]", _READ, ""),
    Endpoint("/mgmt/tm/sys/version", _READ, ""),
    Endpoint(
        "/mgmt/tm/transaction[/<id>[/commands[/<number>]]]",
        ("GET", "POST", "PATCH", "DELETE"),
        "data groups and iRules; 120 s from its start; ends with its commit",
    ),
    Endpoint("/mgmt/shared/appsvcs/info", _READ, "AS3 3.56.0"),
    Endpoint(
        "/mgmt/shared/appsvcs/declare[/<tenants>]",
        ("GET", "POST", "PATCH", "DELETE"),
        "all actions, arrays, async, dry run, age, show base and full, showHash, filterClass, unchecked",
    ),
    Endpoint(
        "/mgmt/shared/appsvcs/declare/<tenant>/applications[/<application>]",
        ("GET", "POST", "DELETE"),
        "PATCH is refused as AS3 does",
    ),
    Endpoint("/mgmt/shared/appsvcs/settings", ("GET", "POST"), "no webhook, no performance tracing"),
    Endpoint("/mgmt/shared/appsvcs/task[/<id>]", _READ, "25 finished ones, a week"),
)
"""Every path that answers."""

REFUSED = (
    "tenant Common",
    "a target other than this device (targetHost and the like)",
    "show=expanded, and show=full of a POST",
    "expansion of back-quotes, {url} and {copyFrom}",
    "Service_L4, Service_UDP, Service_Generic",
    "redirect80 with more than one address, or while the lab has no HTTP::redirect and getfield",
    "persistence (AS3's default cookie too), SNAT none, rate and connection limits",
    "built-in monitors but https",
    "collections with $top, $skip, expandSubcollections",
    "file transfer, external data groups, users and roles by REST",
    "partition, folder, sys and cm commands in a transaction",
)
"""What people may look for and the lab refuses."""
