"""``render``: what the declaration says, and that it says it whatever the spec."""

from __future__ import annotations

import base64
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from specs import document, documents, route, spec, upstream

from bigip_sm.errors import RenderError
from bigip_sm.lint import lint_declaration, lint_irule, validate_schema
from bigip_sm.render import Rendered, declaration_text, files, manifest_text, render
from bigip_sm.spec.model import Spec
from bigip_sm.spec.pem_file import PemFile

CERTIFICATE = json.loads(
    (Path(__file__).parents[1] / "lint" / "cases" / "BSM-D016" / "good.json").read_text(encoding="utf-8")
)["sample"]["app"]["cert"]["certificate"]


def application(rendered: Rendered) -> dict[str, Any]:
    (found,) = [
        body["gateway"] for body in rendered.declaration.values() if isinstance(body, dict) and "gateway" in body
    ]
    assert isinstance(found, dict)
    return found


def records(rendered: Rendered, item: str) -> dict[str, str]:
    return {record["key"]: record["value"] for record in application(rendered)[item]["records"]}


@settings(max_examples=25, deadline=None)
@given(documents())
def test_any_spec_renders_alike_twice_and_passes_schema_and_lint(as3_schema: Path, made: dict[str, Any]) -> None:
    first, second = (render(Spec.model_validate(made)) for _ in range(2))
    assert files(first) == files(second)
    assert validate_schema(first.declaration, as3_schema) == []
    assert lint_declaration(first.declaration) == []
    found = [one for name, text in first.irules.items() for one in lint_irule(text, name)]
    assert [one for one in found if one.level == "error"] == []


@settings(max_examples=25, deadline=None)
@given(documents())
def test_every_reference_has_its_item(made: dict[str, Any]) -> None:
    items = application(render(Spec.model_validate(made)))
    classes = {name: item["class"] for name, item in items.items() if isinstance(item, dict)}
    for item in items.values():
        for kind, name in references(item):
            assert classes[name] == kind, (item, name)


def references(item: Any) -> list[tuple[str, str]]:
    """(class, name) of what an item points at."""
    if not isinstance(item, dict):
        return []
    found = []
    if item["class"] == "Service_HTTPS":
        assert "pool" not in item
        found += [("TLS_Server", item["serverTLS"]), ("HTTP_Profile", item["profileHTTP"]["use"])]
        found += [("TLS_Client", item["clientTLS"])] if "clientTLS" in item else []
        found += [("TCP_Profile", item["profileTCP"][side]["use"]) for side in ("ingress", "egress")]
        found += [("iRule", name) for name in item["iRules"]]
        found += [("Multiplex_Profile", item["profileMultiplex"]["use"])]
    elif item["class"] == "TLS_Server":
        found += [("Certificate", one["certificate"]) for one in item["certificates"]]
    elif item["class"] == "Pool":
        found += [("Monitor", one["use"]) for one in item["monitors"]]
    elif item["class"] == "Monitor":
        found += [("TLS_Client", item["clientTLS"]["use"])]
    return found


@settings(max_examples=25, deadline=None)
@given(documents())
def test_the_manifest_lists_every_data_group_once(made: dict[str, Any]) -> None:
    rendered = render(Spec.model_validate(made))
    declared = {
        f"/{made['gateway']}/gateway/{name}": [record["key"] for record in item["records"]]
        for name, item in application(rendered).items()
        if isinstance(item, dict) and item["class"] == "Data_Group"
    }
    listed = {group.path: list(group.keys) for group in rendered.data_groups if group.owner == "as3"}
    assert listed == declared
    assert all(group.records == len(group.keys) for group in rendered.data_groups)
    rotated = [group.path for group in rendered.data_groups if group.owner == "rotator"]
    with_tokens = any(identity["type"] == "jwt" for identity in made["identities"].values())
    jwks = [f"/bigip_sm/{made['gateway']}.jwks"] if with_tokens else []
    assert rotated == [*jwks, f"/bigip_sm/{made['gateway']}.models"]
    assert json.loads(manifest_text(rendered))[0]["path"] in declared


def test_the_declaration_carries_the_rule_text_unexpanded() -> None:
    rendered = render(spec())
    item = application(rendered)["irule_public"]
    assert base64.b64decode(item["iRule"]["base64"]).decode() == rendered.irules["public"]
    assert item["expand"] is False


def test_route_records() -> None:
    rendered = render(
        spec(
            upstreams={
                "churn": upstream(),
                "llama": upstream(
                    kind="sagemaker-openai",
                    endpoint="llama-3",
                    regions=[
                        {"name": "us-west-2", "vpc_endpoint": "a.example.com"},
                        {"name": "cn-north-1", "vpc_endpoint": "b.example.com"},
                    ],
                ),
            },
            routes={
                "churn": route(match={"path": "/churn", "methods": ["POST", "GET"]}, limits={"body": "2KiB"}),
                "chat": route(match={"path": "/v1/*"}, upstream="llama"),
            },
        )
    )
    value = (
        "1|churn|sigv4|sagemaker|churn|models|2048|/endpoints/churn-v7/invocations|"
        "us-east-1=runtime.sagemaker.us-east-1.amazonaws.com"
    )
    assert records(rendered, "routes_public") == {"GET /churn": value, "POST /churn": value, "* /churn": "GET,POST"}
    assert records(rendered, "prefixes_public") == {
        "POST /v1/": "1|chat|bearer|sagemaker|llama|models|1048576|/endpoints/llama-3/openai/v1/chat/completions|"
        "us-west-2=runtime.sagemaker.us-west-2.amazonaws.com,cn-north-1=runtime.sagemaker.cn-north-1.amazonaws.com.cn",
        "* /v1/": "POST",
    }


def test_methods_of_a_path_come_from_all_its_routes() -> None:
    routes = {
        "read": route(match={"path": "/churn", "methods": ["GET"]}),
        "write": route(match={"path": "/churn", "methods": ["PUT"]}),
    }
    assert records(render(spec(routes=routes)), "routes_public")["* /churn"] == "GET,PUT"


def test_two_routes_for_the_same_requests_are_refused() -> None:
    with pytest.raises(RenderError, match="another route already takes POST /churn"):
        render(spec(routes={"one": route(), "two": route()}))


def test_a_listener_has_only_its_own_routes() -> None:
    listeners = document()["listeners"]
    listeners["internal"] = {**listeners["public"], "address": "192.0.2.11"}
    rendered = render(spec(listeners=listeners, routes={"churn": route(listener="internal")}))
    assert records(rendered, "routes_public") == {}
    assert "POST /churn" in records(rendered, "routes_internal")
    assert "clientTLS" not in application(rendered)["listener_public"]


def test_access_records() -> None:
    identities = {
        "staff": {"type": "client-certificate"},
        "batch": {"type": "network", "networks": {"192.0.2.0/24": "nightly"}},
    }
    routes = {"churn": route(allow=["staff:*", "batch:nightly", "staff:urn:alice"])}
    assert records(render(spec(identities=identities, routes=routes)), "access") == {
        "churn|staff:": "1",
        "churn|batch:nightly": "1",
        "churn|staff:urn:alice": "1",
    }


def test_network_records_are_in_cidr_form() -> None:
    networks = {"10.0.0.0/8": "all", "192.0.2.7/32": "one", "2001:db8::/32": "six"}
    rendered = render(spec(identities={"batch": {"type": "network", "networks": networks}}))
    assert application(rendered)["networks_batch"]["keyDataType"] == "ip"
    assert records(rendered, "networks_batch") == {"10.0.0.0/8": "all", "192.0.2.7/32": "one", "2001:db8::/32": "six"}


def test_pools_of_unused_upstreams_are_left_out() -> None:
    regions = [{"name": "eu-west-1", "vpc_endpoint": "vpce-2.example.com"}]
    rendered = render(spec(upstreams={"churn": upstream(), "spare": upstream(regions=regions)}))
    assert [name for name in application(rendered) if name.startswith(("pool_", "tls_runtime", "monitor_"))] == [
        "tls_runtime_us_east_1",
        "monitor_runtime_us_east_1",
        "pool_churn_us_east_1",
    ]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ({"name": "us-east-1", "vpc_endpoint": "vpce-1.example.com"}, "vpce-1.example.com"),
        ({"name": "us-east-1", "private_dns": True}, "runtime.sagemaker.us-east-1.amazonaws.com"),
    ],
)
def test_the_connected_host_is_not_the_signed_one(region: dict[str, Any], host: str) -> None:
    items = application(render(spec(upstreams={"churn": upstream(regions=[region])})))
    (member,) = items["pool_churn_us_east_1"]["members"]
    assert (member["hostname"], member["fqdnPrefix"]) == (host, "sample-")
    tls = items["tls_runtime_us_east_1"]
    assert tls["sendSNI"] == tls["serverName"] == "runtime.sagemaker.us-east-1.amazonaws.com"


def test_the_monitor_spells_line_ends_as_as3_wants_them() -> None:
    send = application(render(spec()))["monitor_runtime_us_east_1"]["send"]
    assert send.endswith(r"Host: runtime.sagemaker.us-east-1.amazonaws.com\r\nConnection: close\r\n\r\n")
    assert not {"`", "\r", "\n"} & set(send)


def procedures(rendered: Rendered) -> set[str]:
    """Names of the procedures of the listener's iRule."""
    return set(re.findall(r"(?m)^proc (\w+)", rendered.irules["public"]))


def test_prompts_come_with_the_format_that_needs_them() -> None:
    added = {"bsm_prompt", "bsm_prompt_form", "bsm_generation", "bsm_completion", "bsm_speak"}
    keys = {"format": "text-generation", "chat": {"alias": "jumpstart-falcon-40b", "defaults": {"max_tokens": 9}}}
    by_alias = render(spec(upstreams={"churn": upstream(**keys)}))
    assert added <= procedures(by_alias)
    assert records(by_alias, "chat") == {"churn": "1|openai|jumpstart-falcon-40b|||9|falcon"}
    named = render(spec(upstreams={"churn": upstream(**keys, prompt_template="chatml")}))
    assert records(named, "chat")["churn"].endswith("|chatml")
    messages = render(spec(upstreams={"churn": upstream(**{**keys, "format": "openai"})}))
    assert records(messages, "chat") == {"churn": "1|openai|jumpstart-falcon-40b|||9"}
    assert not added & procedures(messages)


def test_idle_timeouts_follow_the_routes() -> None:
    upstreams = {"churn": upstream(timeout="70s"), "llama": upstream(timeout="10m")}
    items = application(render(spec(upstreams=upstreams)))
    assert (items["tcp_aws_public"]["idleTimeout"], items["tcp_client"]["idleTimeout"]) == (80, 300)
    routes = {"churn": route(), "chat": route(upstream="llama", match={"path": "/chat"})}
    items = application(render(spec(upstreams=upstreams, routes=routes)))
    assert (items["tcp_aws_public"]["idleTimeout"], items["tcp_client"]["idleTimeout"]) == (610, 620)


def with_tls(**tls: Any) -> dict[str, Any]:
    listeners = document()["listeners"]
    listeners["public"]["tls"].update(tls)
    return application(render(spec(listeners=listeners)))


def test_tls_versions_follow_the_minimum() -> None:
    versions = {
        minimum: [name for name, value in with_tls(minimum_version=minimum)["tls_public"].items() if value is True]
        for minimum in ("1.2", "1.3")
    }
    assert versions == {"1.2": ["tls1_2Enabled", "tls1_3Enabled"], "1.3": ["tls1_3Enabled"]}


def test_client_certificates() -> None:
    assert with_tls()["tls_public"]["authenticationMode"] == "ignore"
    device = with_tls(client_certificate={"mode": "require", "ca": "/Common/ca.crt"})
    assert device["tls_public"]["authenticationMode"] == "require"
    assert device["tls_public"]["authenticationTrustCA"] == {"bigip": "/Common/ca.crt"}
    inline = with_tls(client_certificate={"ca": PemFile(file="ca.pem", text=CERTIFICATE)})
    assert inline["tls_public"]["authenticationTrustCA"] == "clients_ca_public"
    assert inline["clients_ca_public"] == {"class": "CA_Bundle", "bundle": CERTIFICATE}


def test_certificates_from_files_and_from_the_device() -> None:
    pem = PemFile(file="models.pem", text=CERTIFICATE)
    assert with_tls(certificate=pem, chain="/Common/chain.crt")["cert_public"] == {
        "class": "Certificate",
        "certificate": CERTIFICATE,
        "chainCA": {"bigip": "/Common/chain.crt"},
        "privateKey": {"bigip": "/Common/models.key"},
    }


def test_an_unreadable_certificate_is_refused() -> None:
    with pytest.raises(RenderError, match="/sample/gateway/cert_public/certificate: not a PEM certificate"):
        with_tls(certificate=PemFile(file="models.pem", text="hello"))


def test_an_owner_outside_ascii_is_refused() -> None:
    with pytest.raises(RenderError, match=r"/remark: not ASCII.*and 3 more"):
        render(Spec.model_construct(**{**dict(spec()), "owner": "Zoë"}))


def test_files_to_write() -> None:
    rendered = render(spec())
    texts = files(rendered)
    assert list(texts) == ["declaration.json", "data-groups.json", "irules/public.tcl"]
    assert texts["irules/public.tcl"] == rendered.irules["public"]
    assert all(text.isascii() and text.endswith("\n") and not text.endswith("\n\n") for text in texts.values())
    assert json.loads(declaration_text(rendered)) == rendered.declaration


def test_templates_let_values_in_through_tojson_only() -> None:
    folder = resources.files("bigip_sm.templates")
    templates = [entry for entry in folder.iterdir() if entry.name.endswith(".json.j2")]
    assert len(templates) > 10
    for template in templates:
        for value in re.findall(r"{{(.*?)}}", template.read_text(encoding="utf-8")):
            assert value.endswith("| tojson "), f"{template.name}: {value}"
