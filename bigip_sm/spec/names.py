"""The names that the spec, the rendering, the rotator and the lab agree on."""

from __future__ import annotations

PARTITION = "bigip_sm"
"""The partition of the rotated data groups (design section 8). No AS3 tenant may have this name."""

APPLICATION = "gateway"
"""The AS3 application that holds every object of a gateway; the tenant is named like the gateway."""

NAME_PATTERN = r"^[a-z][a-z0-9_]{1,40}$"
"""Names in the spec: within what AS3 and TMOS accept, with room for the names derived from them."""

SUBJECT_PATTERN = r"^[A-Za-z0-9 ._@+=,:/-]{1,128}$"
"""Subjects of a principal: printable ASCII without anything that AS3, Tcl or SageMaker would rewrite."""

GROUP_PATTERN = r"^[A-Za-z0-9 ._@+=,:/-]{1,64}$"
"""Groups and scopes of a principal that can be named in the spec; a token's others are passed over."""

PATH_PATTERN = r"^/[A-Za-z0-9._~:@/-]*(\*)?$"
"""Paths of routes: characters that no percent-encoding changes; a final ``/*`` makes it a prefix."""


def object_path(gateway: str, item: str) -> str:
    """Full path on the BIG-IP of an AS3 item of the gateway, e.g. ``/inference/gateway/listener_public``."""
    return f"/{gateway}/{APPLICATION}/{item}"


def credential_group(gateway: str, role: str) -> str:
    """Full path of the data group with the credentials of ``role``, e.g. ``/bigip_sm/inference.chat``."""
    return f"/{PARTITION}/{gateway}.{role}"


def jwks_group(gateway: str) -> str:
    """Full path of the data group with the verification keys of every ``jwt`` identity of the gateway."""
    return f"/{PARTITION}/{gateway}.jwks"


def audit_group(gateway: str) -> str:
    """Full path of the data group with the key of pseudonyms in audit records; ``apply`` makes it once."""
    return f"/{PARTITION}/{gateway}.audit"


def weights_group(gateway: str) -> str:
    """Full path of the data group with the weights that are in force in place of those in gateway.yaml."""
    return f"/{PARTITION}/{gateway}.weights"


def pool_item(upstream: str, region: str) -> str:
    """Name of the AS3 pool for one upstream in one region, e.g. ``pool_llama_us_east_1``."""
    return f"pool_{upstream}_{region.replace('-', '_')}"


def server_tls_item(host_kind: str, region: str) -> str:
    """Name of the TLS_Client for one signed host, e.g. ``tls_runtime_us_east_1``."""
    return f"tls_{host_kind}_{region.replace('-', '_')}"


def monitor_item(host_kind: str, region: str) -> str:
    """Name of the monitor for one signed host, e.g. ``monitor_runtime_us_east_1``."""
    return f"monitor_{host_kind}_{region.replace('-', '_')}"


def own_monitor_item(upstream: str, region: str) -> str:
    """Name of the monitor that an upstream has for itself, e.g. ``monitor_of_llama_us_east_1``."""
    return f"monitor_of_{upstream}_{region.replace('-', '_')}"


def host_kind(service: str, upstream: str, *, fips: bool = False) -> str:
    """Which hosts an upstream has: a service's, such as ``runtime`` or ``runtime_fips``, or its own: ``http_vllm``."""
    kind = f"{service}_fips" if fips else service
    return f"{kind}_{upstream}" if service in ("execute_api", "http") else kind
