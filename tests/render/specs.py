"""Specs for tests: a small valid document, and a hypothesis strategy over the whole of what rendering reads."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from bigip_sm.spec.model import Spec

REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "cn-north-1", "us-gov-west-1")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
APPROVAL = {"name": "review", "ticket": "SEC-1", "date": "2026-10-02"}

names = st.from_regex(r"[a-z][a-z0-9_]{1,40}", fullmatch=True)
subjects = st.from_regex(r"[A-Za-z0-9 ._@+=,:/-]{1,128}", fullmatch=True)
groups = st.from_regex(r"[A-Za-z0-9 ._@+=,:/-]{1,64}", fullmatch=True)
CLASSES = st.sampled_from(["class/human", "class/service", "class/agent"])
segments = st.from_regex(r"[A-Za-z0-9._~:@-]{0,19}[A-Za-z0-9_~:@-]", fullmatch=True)
endpoints = st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,20}", fullmatch=True)


def document(**changes: Any) -> dict[str, Any]:
    """A gateway with one route; ``changes`` replace whole top-level keys."""
    return {
        "version": 1,
        "gateway": "sample",
        "owner": "owner@example.com",
        "listeners": {
            "public": {
                "address": "192.0.2.10",
                "hostnames": ["models.example.com"],
                "tls": {"certificate": "/Common/models.crt", "key": "/Common/models.key"},
            }
        },
        "identities": {"batch": {"type": "network", "networks": {"192.0.2.0/24": "nightly"}}},
        "roles": {
            "models": {
                "arn": "arn:aws:iam::123456789012:role/models",
                "source": {"type": "secrets-manager", "secret": "bigip/models"},
            }
        },
        "upstreams": {"churn": upstream()},
        "routes": {"churn": route()},
        **changes,
    }


def upstream(**changes: Any) -> dict[str, Any]:
    """An upstream of kind sagemaker in us-east-1."""
    return {
        "kind": "sagemaker",
        "endpoint": "churn-v7",
        "role": "models",
        "regions": [{"name": "us-east-1", "vpc_endpoint": "vpce-1.us-east-1.vpce.amazonaws.com"}],
        **changes,
    }


def route(**changes: Any) -> dict[str, Any]:
    """A route of listener public to upstream churn."""
    return {
        "listener": "public",
        "match": {"path": "/churn"},
        "upstream": "churn",
        "allow": ["batch:nightly"],
        "approved_by": APPROVAL,
        **changes,
    }


def spec(**changes: Any) -> Spec:
    """``document`` as a Spec."""
    return Spec.model_validate(document(**changes))


GUARDS = {
    "ways": {"version": 1, "chain": [{"type": "prompt-injection", "direction": "response", "action": "record"}]},
    "pii": {"version": 2, "chain": [{"type": "pii", "find": ["SSN"], "action": "redact", "direction": "request"}]},
    "own": {"version": 9999, "chain": [{"type": "dlp", "find": [], "patterns": {"A1": r"a[\[\]\^;#]{2}\\"}}]},
}
VALIDATIONS = st.sampled_from(
    [
        None,
        {},
        {"content_types": ["text/csv"]},
        {"headers": ["x-a"], "levels": 1, "string": 9, "fields": ["$a.b-c"], "shape": "tensorflow"},
    ]
)
SHAPES = st.sampled_from(
    [
        None,
        {},
        {"errors": "pass", "fields": ["$a.b-c"], "keep_headers": ["x-amzn-requestid"], "headers": {"x-a": "a:b"}},
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents that the spec's own checks would let pass: no dangling names, no overlapping routes."""
    listeners = draw(st.dictionaries(names, _listeners(), min_size=1, max_size=3))
    identities = draw(st.dictionaries(names, _identities(), min_size=1, max_size=3))
    upstreams = draw(st.dictionaries(names, _upstreams(), min_size=1, max_size=3))
    paths = draw(st.lists(st.lists(segments, min_size=1, max_size=3), min_size=1, max_size=5, unique_by=tuple))
    routes = {}
    for number, path in enumerate(paths):
        # The number keeps one path from being below another.
        exact = f"/{number}/" + "/".join(path)
        group = groups.map(lambda name: f"group/{name}")
        kinds = st.one_of(subjects, st.just("*"), group, groups.map(lambda name: f"scope/{name}"), CLASSES)
        allow = st.tuples(st.sampled_from(sorted(identities)), kinds).map(":".join)
        by_group = st.tuples(st.sampled_from(sorted(identities)), group).map(":".join)
        routes[f"{draw(names)[:30]}_{number}"] = route(
            listener=draw(st.sampled_from(sorted(listeners))),
            upstream=draw(st.sampled_from(sorted(upstreams))),
            match={
                "path": exact + draw(st.sampled_from(["", "/*"])),
                "methods": draw(st.lists(st.sampled_from(METHODS), min_size=1, unique=True)),
            },
            allow=draw(st.lists(allow.filter(lambda one: len(one) <= 180), min_size=1, max_size=4)),
            limits={"body": draw(st.integers(1, 8 * 1024**2))},
            validation=draw(VALIDATIONS),
            shape=draw(SHAPES),
            guards=draw(st.lists(st.sampled_from(sorted(GUARDS)), max_size=2, unique=True)),
            role_by_group=draw(st.dictionaries(by_group, st.just("models"), max_size=2)),
        )
    gateway = draw(names.filter(lambda name: name not in ("common", "bigip_sm")))
    made = {"listeners": listeners, "identities": identities, "upstreams": upstreams, "routes": routes}
    return document(gateway=gateway, guards=GUARDS, inspection={"phrases": {"open the pod bay doors": 0.9}}, **made)


def _listeners() -> st.SearchStrategy[dict[str, Any]]:
    client = st.fixed_dictionaries({"mode": st.sampled_from(["request", "require"]), "ca": st.just("/Common/ca.crt")})
    tls = st.fixed_dictionaries(
        {
            "certificate": st.just("/Common/models.crt"),
            "key": st.just("/Common/models.key"),
            "chain": st.one_of(st.none(), st.just("/Common/chain.crt")),
            "minimum_version": st.sampled_from(["1.2", "1.3"]),
            "client_certificate": st.one_of(st.none(), client),
        }
    )
    return st.fixed_dictionaries(
        {
            "address": st.sampled_from(["192.0.2.10", "192.0.2.11", "2001:db8::10"]),
            "port": st.integers(1, 65535),
            "hostnames": st.just(["models.example.com"]),
            "tls": tls,
        }
    )


def _identities() -> st.SearchStrategy[dict[str, Any]]:
    networks = st.dictionaries(st.sampled_from(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]), subjects, min_size=1)
    classes = st.sampled_from(["human", "service", "agent"])
    digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
    key = st.fixed_dictionaries({"subject": subjects, "groups": st.lists(groups, max_size=3, unique=True)})
    claims = st.sampled_from([None, "groups", "cognito:groups", "https://example.com/claims#groups"])
    return st.one_of(
        st.just({"type": "client-certificate"}),
        st.fixed_dictionaries(
            {
                "type": st.just("client-certificate"),
                "subject": st.sampled_from(["common-name", "san-uri", "san-dns", "san-email", "sha256"]),
                "issuer": st.sampled_from([None, "Partner CA", "Acme: CA, Inc./+1"]),
                "groups": st.dictionaries(groups, st.lists(subjects, max_size=2), max_size=2),
            }
        ),
        st.fixed_dictionaries({"type": st.just("network"), "networks": networks, "class": classes}),
        st.fixed_dictionaries(
            {
                "type": st.just("jwt"),
                "provider": st.sampled_from([None, "okta", "cognito", "entra", "keycloak"]),
                "issuer": st.from_regex(r"https://[a-z0-9.-]{1,20}(/[A-Za-z0-9._~%:@+=,-]{0,10}){0,3}", fullmatch=True),
                "audience": st.lists(
                    st.from_regex(r"[A-Za-z0-9._~%:@+=,/-]{1,20}", fullmatch=True), min_size=1, max_size=3
                ),
                "groups": claims,
                "scopes": claims,
                "class": classes,
                "class_by": st.sampled_from([None, {"claim": "kind"}, {"claim": "k:#/", "values": {"a,b=": "agent"}}]),
            }
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("api-key"),
                "header": st.sampled_from(["x-api-key", "authorization", "x-key"]),
                "keys": st.dictionaries(digests, key, min_size=1, max_size=3),
            }
        ),
    )


def _upstreams() -> st.SearchStrategy[dict[str, Any]]:
    name, addresses = {"name": st.sampled_from(REGIONS)}, st.just(["192.0.2.50", "2001:db8::5"])
    region = st.one_of(
        st.fixed_dictionaries({**name, "vpc_endpoint": st.just("vpce-1.vpce.amazonaws.com")}),
        st.fixed_dictionaries({**name, "addresses": addresses, "route_domain": st.integers(0, 65534)}),
    )
    common = {
        "role": st.just("models"),
        "timeout": st.integers(1, 3600),
        "regions": st.lists(region, min_size=1, max_size=3, unique_by=lambda one: one["name"]),
    }
    chat = st.fixed_dictionaries(
        {
            "alias": st.sampled_from([None, "jumpstart-mistral-7b", "a/b.c:d-e"]),
            "defaults": st.sampled_from([{}, {"temperature": 0.1, "max_tokens": 5}]),
        }
    )

    def kind(name: str, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({"kind": st.just(name), **common, **keys})

    headers = st.sampled_from([[], ["x-tenant", "x-key"]])
    optional = st.one_of(st.none(), endpoints)
    own = {
        "kind": st.just("http"),
        "host": st.just("tf.example.internal"),
        "addresses": st.one_of(st.just([]), addresses),
        "port": st.integers(1, 65535),
        "ca": st.just("/Common/own.crt"),
        "path": st.sampled_from(["/", "/v1/", "/v1/x"]),
        "identity_header": st.sampled_from([None, "x-caller"]),
        "request_headers": headers,
    }
    return st.one_of(
        kind(
            "sagemaker",
            endpoint=endpoints,
            operation=st.sampled_from(["invocations", "response-stream", "async"]),
            variant=optional,
            client_headers=st.sampled_from([{}, {"target-model": ["a/b.tar.gz", "c*"], "session-id": ["*"]}]),
            identity_header=st.sampled_from(["custom-attributes", "off"]),
        ),
        kind("sagemaker", endpoint=endpoints, format=st.just("openai"), chat=chat, component=optional),
        kind(
            "sagemaker",
            endpoint=endpoints,
            format=st.just("text-generation"),
            prompt_template=st.sampled_from(["llama-3", "mistral", "falcon", "chatml"]),
            chat=chat,
        ),
        kind("sagemaker-openai", endpoint=endpoints, chat=chat, component=optional, fips=st.booleans()),
        kind(
            "sagemaker-tensorflow",
            endpoint=endpoints,
            models=st.dictionaries(st.sampled_from(["a", "b.c-d_e"]), st.lists(st.integers(1, 99)), min_size=1),
        ),
        kind(
            "api-gateway",
            api=st.just("a1b2c3d4e5"),
            path=st.sampled_from(["/prod/", "/prod/x"]),
            address_by=st.sampled_from(["host", "header"]),
            request_headers=headers,
        ),
        kind("bedrock", models=st.just(["anthropic.claude-v1:0", "amazon.titan"]), fips=st.booleans()),
        kind("sagemaker-api", operations=st.just(["CreateTrainingJob"])),
        kind(
            "mlflow-tracking", arn=st.just("arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/one-server")
        ),
        kind("mlflow-app", arn=st.just("arn:aws-us-gov:sagemaker:us-gov-west-1:123456789012:mlflow-app/app-0A1B")),
        kind("lambda", function=st.just("f"), qualifier=st.sampled_from([None, "live"])),
        st.fixed_dictionaries(own),
        st.just({"kind": "model-list"}),
    )
