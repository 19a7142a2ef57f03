"""What AS3, or the lab, refuses before anything changes; with F5's schema and without."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from control_plane_kit import Box, Json, encoded, group, official_schema, quickstart, service, small, start

from bigip_sm.lab.bigip.as3 import classes
from bigip_sm.lab.bigip.as3.rules import UNSET, ClassRules
from bigip_sm.lab.bigip.as3.schema import Schema
from bigip_sm.lab.bigip.as3.translate import translate
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup

APPLICATION = ("quickstart", "gateway")
Change = Callable[[Json], None]


@pytest.fixture(params=["structure", "schema"])
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    yield from start(official_schema() if request.param == "schema" else None)


@pytest.fixture
def strict() -> Iterator[Box]:
    """A box with F5's schema."""
    yield from start(official_schema())


def put(path: str, value: Any) -> Change:
    """Set a value in the quickstart's application: ``item/property/0/...``."""

    def change(application: Json) -> None:
        *parents, last = path.split("/")
        node: Any = application
        for part in parents:
            node = node[int(part)] if part.isdigit() else node[part]
        node[last] = value

    return change


def drop(path: str) -> Change:
    """Remove a value from the quickstart's application."""

    def change(application: Json) -> None:
        *parents, last = path.split("/")
        node: Any = application
        for part in parents:
            node = node[int(part)] if part.isdigit() else node[part]
        del node[last]

    return change


def refusal(box: Box, declaration: Json) -> str:
    """Post a declaration that must be refused as a whole; returns what AS3 says about it."""
    before = box.configured()
    answer = box.declare(declaration)
    assert answer.status_code == 422, answer.text
    assert box.configured() == before
    body = answer.json()
    assert body["host"] == "localhost"
    assert body["tenant"] == [name for name in declaration if name not in classes.ADC]
    if body["message"] != "declaration is invalid":
        return str(body["message"])
    (error,) = body["errors"]
    return str(error)


PLAIN: list[tuple[Change, str]] = [
    (put("http/bogus_property", 1), "Invalid data property: bogus_property"),
    (put("pool_llama/idleTimeout", 1), "/pool_llama: should NOT have additional properties"),
    (put("tls_public/sendSNI", "x.example.com"), "/tls_public: should NOT have additional properties"),
    (drop("tls_public/certificates"), "/tls_public: should have required property 'certificates'"),
    (put("tls_public/certificates", []), "/tls_public/certificates: should NOT have fewer than 1 items"),
    (drop("irule_public/iRule"), "/irule_public: should have required property 'iRule'"),
    (put("irule_public/iRule", 1), "/irule_public/iRule: "),
    (put("access/records/0/value", 1), "/access/records/0/value: should be string"),
    (put("access/records", [{"value": "1"}]), "/access/records/0: should have required property 'key'"),
    (put("access/keyDataType", "text"), "/access/keyDataType: should be equal to one of the allowed values"),
    (put("listener_public/remark", 'say "x"'), "/listener_public/remark: should match pattern"),
    (put("listener_public/remark", "x" * 65), "/listener_public/remark: should "),
    (put("listener_public/label", "a*b"), "/listener_public/label: should match pattern"),
    (put("http/maxHeaderCount", 0), "/http/maxHeaderCount: should be >= 1"),
    (put("http/xForwardedFor", "no"), "/http/xForwardedFor: should be boolean"),
    (put("tcp_client/synMaxRetrans", 13), "/tcp_client/synMaxRetrans: should be "),
    (put("pool_llama/members/0/servicePort", "443"), "/pool_llama/members/0/servicePort: should be integer"),
    (drop("pool_llama/members/0/servicePort"), "/members/0: should have required property 'servicePort'"),
    (drop("pool_llama/members/0/hostname"), "/members/0: should have required property 'hostname'"),
    (drop("listener_public/virtualAddresses"), "should have required property 'virtualAddresses'"),
    (put("listener_public/virtualAddresses", []), "/listener_public/virtualAddresses: should NOT have fewer than 1"),
    (put("listener_public/iRules", ["irule_public", "irule_public"]), "declaration has duplicate values in iRules"),
    (put("item-", {"class": "Multiplex_Profile"}), "should match pattern"),
    (put("_item", {"class": "Multiplex_Profile"}), "should match pattern"),
    (put("item", {"class": "Nonsense"}), ""),
    (put("x" * 180, {"class": "Multiplex_Profile"}), "is longer than 195 characters"),
    (put("tls_public/ciphers", "DEFAULT"), "/tls_public: should NOT be valid"),
    # pointers
    (put("listener_public/iRules", ["irule_nope"]), "contains path to non-existent object irule_nope"),
    (put("listener_public/iRules", ["pool_llama"]), "AS3 pointer pool_llama does not point to required object type"),
    (put("listener_public/iRules", ["x"]), "contains an invalid path (invalid character)"),
    (put("listener_public/iRules", ["/Other/App/rule"]), "contains path to non-existent object Other"),
    (put("listener_public/serverTLS", "tls_runtime_us_east_1"), "does not point to required object type"),
    (put("listener_public/clientTLS", {"use": "tls_public"}), "does not point to required object type"),
    (put("tls_public/authenticationTrustCA", "cert_public"), "does not point to required object type"),
    (put("tls_public/certificates/0/certificate", "clients_ca_public"), "does not point to required object type"),
    (drop("tls_public/authenticationTrustCA"), "should have required property 'authenticationTrustCA'"),
    (put("pool_llama/monitors", [{"use": "pool_llama"}]), "does not point to required object type"),
    (put("monitor_runtime/clientTLS", {"use": "http"}), "does not point to required object type"),
    (put("tls_runtime_us_east_1/trustCA", {"use": "cert_public"}), "does not point to required object type"),
    (put("listener_public/iRules", ["/quickstart/irule"]), "contains invalid path (cross-/T/A)"),
    (put("listener_public/iRules", [{"use": "irule_public"}, {"use": "nope"}]), "non-existent object nope"),
    (put("listener_public/iRules", [{"bigip": 1}]), ""),
    (put("listener_public/profileHTTP", {"use": 1}), ""),
    (put("listener_public/profileTCP", "fast"), "/listener_public/profileTCP"),
    (put("tls_runtime_us_east_1/trustCA", "all"), "/tls_runtime_us_east_1/trustCA: should be equal to one of"),
    (put("tls_public/authenticationTrustCA", {"use": "clients_ca_public"}), "/tls_public/authenticationTrustCA"),
    (put("pool_llama/members", ["x"]), "/pool_llama/members/0: should be object"),
    (put("pool_llama/members", [{"servicePort": 1, "servers": [{"name": "x"}]}]), "/members/0"),
    (
        put("pool_llama/members", [{"servicePort": 1, "serverAddresses": ["10.0.0.1"], "ratio": 1}] * 2),
        "declaration has duplicate values in members",
    ),
    (
        put(
            "pool_llama/members",
            [{"servicePort": 1, "serverAddresses": ["10.0.0.1"], "priorityGroup": n} for n in (1, 2)],
        ),
        "/pool_llama/members: has duplicate members",
    ),
    (
        put("dg", {"class": "Data_Group", "keyDataType": "integer", "records": [{"key": "1"}]}),
        "/key: should be integer",
    ),
    (put("dg", {"class": "Data_Group", "keyDataType": "string", "records": [{"key": 1}]}), "/key: should be string"),
    # references to the device
    (
        put("cert_public/certificate", {"bigip": "/Common/nope.crt"}),
        "Unable to find /Common/nope.crt for /quickstart/gateway/cert_public/certificate",
    ),
    (put("cert_public/privateKey", {"bigip": "/Common/nope.key"}), "Unable to find /Common/nope.key"),
    (put("clients_ca_public/bundle", {"bigip": "/Common/nope.crt"}), "Unable to find /Common/nope.crt"),
    (put("tls_public/authenticationTrustCA", {"bigip": "/Common/nope.crt"}), "Unable to find /Common/nope.crt"),
    (put("tls_runtime_us_east_1/trustCA", {"bigip": "/Common/nope.crt"}), "Unable to find /Common/nope.crt"),
    (put("listener_public/iRules", [{"bigip": "/Common/nope"}]), "Unable to find /Common/nope"),
    (put("listener_public/profileHTTP", {"bigip": "/Common/nope"}), "Unable to find /Common/nope"),
]


@pytest.mark.parametrize(("change", "text"), PLAIN, ids=range(len(PLAIN)))
def test_declaration_is_refused(box: Box, change: Change, text: str) -> None:
    declaration = quickstart()
    change(declaration["quickstart"]["gateway"])
    assert text in refusal(box, declaration)


GAPS: list[tuple[Change, str]] = [
    (drop("listener_public/persistenceMethods"), "/persistenceMethods: ['cookie'] (AS3's default) instead of [] is"),
    (put("listener_public/snat", "none"), "/listener_public/snat: 'none' instead of 'auto', 'self' is"),
    (put("listener_public/rateLimit", 5), "/listener_public/rateLimit: 5 instead of 0 is"),
    (put("listener_public/policyIAM", {"bigip": "/Common/iam"}), "/listener_public/policyIAM:"),
    (put("listener_public/allowVlans", []), "/listener_public/allowVlans:"),
    (put("listener_public/virtualAddresses", [["10.0.0.1", "10.1.0.0/16"]]), "/listener_public/virtualAddresses/0:"),
    (put("listener_public/virtualAddresses", ["10.0.0.0/24"]), "/virtualAddresses/0: '10.0.0.0/24' is"),
    (put("listener_public/virtualAddresses", ["224.0.0.1"]), "/virtualAddresses/0: '224.0.0.1' is"),
    (put("listener_public/serverTLS", [{"use": "tls_public"}, {"use": "tls_public"}]), "/serverTLS: more than one"),
    (put("listener_public/iRules", ["0/../x"]), ""),
    (put("plain", {"class": "TLS_Client", "ciphers": "ECDHE"}), "/plain/ciphers: 'ECDHE' instead of"),
    (put("tls_public/cipherGroup", {"bigip": "/Common/own"}), "/tls_public/cipherGroup:"),
    (put("tls_public/requireSNI", True), "/tls_public/requireSNI: True instead of False is"),
    (put("tls_public/certificates/0/matchToSNI", "a.example.com"), "/certificates/0/matchToSNI:"),
    (put("tls_public/tls1_0Enabled", True), "/tls_public: the set of TLS versions 1.0, 1.2, 1.3 is"),
    (put("plain", {"class": "TLS_Client", "tls1_2Enabled": False}), "/plain: TLS 1.1 as the highest version is"),
    (put("listener_public/iRules", ["0"]), "/listener_public/iRules: relative JSON pointers are"),
    (put("pool_llama/members", [{"servicePort": 1, "serverAddresses": ["10.0.0.0/8"]}]), "the address '10.0.0.0/8' is"),
    (put("access/records/0/key", ""), "/access/records/0/key: an empty key is"),
    (put("tls_public/staplerOCSPEnabled", True), "/tls_public/staplerOCSPEnabled: True instead of False is"),
    (put("tls_runtime_us_east_1/ignoreExpired", True), "/ignoreExpired: True instead of False is"),
    (put("tls_runtime_us_east_1/clientCertificate", "cert_public"), "/clientCertificate:"),
    (drop("cert_public/privateKey"), "/cert_public/privateKey: a server certificate without its key is"),
    (put("pool_llama/loadBalancingMode", "ratio-member"), "/pool_llama/loadBalancingMode:"),
    (put("pool_llama/monitors", ["http"]), "/pool_llama/monitors: the built-in monitor 'http' is"),
    (put("pool_llama/members/0/addressDiscovery", "event"), ""),
    (put("pool_llama/members/0/shareNodes", True), "/members/0/shareNodes: True instead of False is"),
    (put("pool_llama/members/0/adminState", "disable"), "/members/0/adminState: 'disable' instead of 'enable' is"),
    (put("monitor_runtime/monitorType", "http"), "/monitor_runtime/monitorType: 'http' instead of 'https' is"),
    (put("monitor_runtime/reverse", True), "/monitor_runtime/reverse: True instead of False is"),
    (put("monitor_runtime/send", "GET /`x`"), "/monitor_runtime/send: expansion of back-quotes is"),
    (put("monitor_runtime/send", "GET /\\x41"), "/monitor_runtime/send: control characters"),
    (put("http/insertHeader", {"name": "X", "value": "y"}), "/http/insertHeader:"),
    (put("http/pipelineAction", "pass-through"), "/http/pipelineAction: 'pass-through' is"),
    (put("http/webSocketsEnabled", True), "/http/webSocketsEnabled: True instead of False is"),
    (put("tcp_client/idleTimeout", -1), ""),
    (put("tcp_client/deferredAccept", True), "/tcp_client/deferredAccept: True instead of False is"),
    (put("one_connect/sourceMask", "255.255.255.255"), "/one_connect/sourceMask:"),
    (put("access/storageType", "external"), ""),
    (put("access/records/0/value", "a\nb"), "/access/records/0/value: control characters"),
    (put("access/records/0/value", "é"), "/access/records/0/value: control characters and non-ASCII"),
    (put("networks_batch/records/0/key", "10.30.0.1/16"), "/networks_batch/records/0/key: '10.30.0.1/16'"),
    (put("irule_public", {"class": "iRule", "iRule": "when X { `N` }"}), "/iRule: expansion of back-quotes is"),
    (put("irule_public/iRule", {"url": "https://example.com/x"}), "/irule_public/iRule/url:"),
    (put("irule_public", encoded("# é")), "/irule_public/iRule: non-ASCII text is"),
    (
        put("waf", {"class": "WAF_Policy", "url": "https://example.com/x"}),
        "/quickstart/gateway/waf: class WAF_Policy is",
    ),
]


@pytest.mark.parametrize(("change", "text"), GAPS, ids=range(len(GAPS)))
def test_what_the_lab_does_not_emulate_is_refused(box: Box, change: Change, text: str) -> None:
    declaration = quickstart()
    change(declaration["quickstart"]["gateway"])
    said = refusal(box, declaration)
    assert text in said
    if text:
        assert said.endswith("not emulated by the lab")


ENVELOPES: list[tuple[Any, int, str]] = [
    ("{", 400, "cannot parse JSON POST payload ("),
    ([], 422, "Invalid request: should NOT have fewer than 1 items"),
    (1, 422, "Invalid request"),
    ({"class": "Tenant"}, 422, "Invalid request"),
    ({"class": "AS3"}, 400, 'for action "deploy", a declaration is required.'),
    ({"class": "AS3", "action": "explode", "declaration": small()}, 422, ""),
    ({"class": "AS3", "targetHost": "10.0.0.1", "declaration": small()}, 422, "not emulated by the lab"),
    ({"class": "AS3", "syncToGroup": 1, "declaration": small()}, 422, "Invalid request: /syncToGroup"),
    ({"class": "AS3", "targetTokens": {"x": "y"}, "declaration": small()}, 422, "not emulated by the lab"),
    ({**small(), "target": {"address": "10.0.0.1"}}, 422, "target: not emulated by the lab"),
    ({"class": "AS3", "historyLimit": 1, "declaration": small()}, 422, "Invalid request: /historyLimit"),
    ({**small(), "id": "has blank"}, 422, "declaration lacks valid 'id' property"),
    ({**small(), "Common": {"class": "Tenant"}}, 422, "declaration is invalid"),
    ({**small(), "schemaVersion": "3.57.0"}, 422, "declaration is invalid"),
    ({**small(), "9T": {"class": "Tenant"}}, 422, "declaration is invalid"),
    ({**small(), "U": {"class": "Pool"}}, 422, "declaration is invalid"),
    ({**small(), "U": {"class": "Tenant", "enable": False}}, 422, "declaration is invalid"),
    ({**small(), "U": {"class": "Tenant", "A": {"class": "Application", "template": "https"}}}, 422, ""),
    ({**small(), "U": {"class": "Tenant", "A": {"class": "Pool"}}}, 422, "declaration is invalid"),
]


@pytest.mark.parametrize(("body", "status", "text"), ENVELOPES, ids=range(len(ENVELOPES)))
def test_envelope_is_refused(box: Box, body: Any, status: int, text: str) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = box.request("POST", "/mgmt/shared/appsvcs/declare", content=content)
    assert answer.status_code == status, answer.text
    assert text in answer.json()["message"]
    assert list(box.config.below("/T/")) == []


def test_wrapper_may_hold_unknown_keys(box: Box) -> None:
    box.deploy({"class": "AS3", "whatever": 1, "persist": False, "declaration": small(dg=group())})


def test_unknown_query_parameter(box: Box) -> None:
    answer = box.declare(small(), bogus="1")
    assert (answer.status_code, answer.json()["message"]) == (400, 'unrecognized URL query parameter "bogus"')


def test_paths_of_255_characters(box: Box) -> None:
    declaration = {**small(), "T" * 90: {"class": "Tenant", "A" * 90: {"class": "Application", "d" * 90: group()}}}
    answer = box.declare(declaration)
    assert answer.status_code == 400
    assert "exceeds the 255 full path character limit" in answer.json()["message"]


def test_one_node_name_for_two_addresses(box: Box) -> None:
    def pool(address: str) -> Json:
        return {
            "class": "Pool",
            "members": [{"servicePort": 80, "servers": [{"name": "same", "address": address}]}],
        }

    said = refusal(box, small(one=pool("10.0.0.1"), two=pool("10.0.0.2")))
    assert said == ("The node name must be unique throughout the declaration. Duplicate node name 'same' found.")


def test_one_fqdn_in_two_tenants(box: Box) -> None:
    def pool(prefix: str) -> Json:
        member = {"servicePort": 443, "addressDiscovery": "fqdn", "hostname": "a.example.com", "fqdnPrefix": prefix}
        return {"class": "Pool", "members": [member]}

    box.deploy(small("One", pool_one=pool("")))
    said = refusal(box, small("Two", pool_two=pool("")))
    assert "fqdn hostname a.example.com conflicts with bigip fqdn node /One/a.example.com" in said
    box.deploy(small("Two", pool_two=pool("two-")))


def test_one_address_in_two_tenants(box: Box) -> None:
    def pool(*members: Json) -> Json:
        return {"class": "Pool", "members": [{"servicePort": 443, **member} for member in members]}

    box.deploy(small("One", pool_one=pool({"serverAddresses": ["10.1.0.9"]})))
    for member in (
        {"serverAddresses": ["10.1.0.8", "10.1.0.9"]},
        {"servers": [{"name": "other", "address": "10.1.0.9"}]},
    ):
        said = refusal(box, small("Two", pool_two=pool({"serverAddresses": ["10.1.0.7"]}, member)))
        clash = "static address 10.1.0.9 conflicts with bigip node /One/10.1.0.9"
        assert said == f"/Two/A/pool_two/members: pool member /Two/A/pool_two/members/1 {clash}"
    box.deploy(
        small("One", first=pool({"serverAddresses": ["10.1.0.9"]}), second=pool({"serverAddresses": ["10.1.0.9"]}))
    )


def test_pointer_into_another_application(box: Box) -> None:
    declaration = small(vs=service(iRules=["/T/B/rule"]))
    declaration["T"]["B"] = {"class": "Application", "rule": encoded("when CLIENT_ACCEPTED { }")}
    assert "must contain path pointing into same Application" in refusal(box, declaration)


def test_integer_keys(box: Box) -> None:
    item = {"class": "Data_Group", "keyDataType": "integer", "records": [{"key": 10}, {"key": -2, "value": "x"}]}
    box.deploy(small(dg=item))
    assert box.config.get(DataGroup, "/T/A/dg") == DataGroup("/T/A/dg", "integer", (("-2", "x"), ("10", "")))


def test_only_the_first_error_is_told(strict: Box) -> None:
    broken = {"class": "Data_Group", "keyDataType": "string", "records": [{"key": 1}, {"key": 2}]}
    assert refusal(strict, small(dg=broken)) == "/T/A/dg/records/0/key: should be string"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"class": "TLS_Client", "sendSNI": "under_score"}, '/T/A/item/sendSNI: should match format "hostname"'),
        (service(virtualAddresses=["10.0.0.300"]), '/T/A/item/virtualAddresses/0: should match format "f5ip"'),
        (service(iRules=[{"bigip": "relative"}]), '/iRules/0/bigip: should match format "f5bigip"'),
        ({"class": "HTTP_Profile", "maxHeaderSize": 8}, "/T/A/item/maxHeaderSize: should be >= 9"),
        ({"class": "Data_Group", "keyDataType": "ip", "records": [{"key": "x"}]}, 'should match format "f5ip"'),
        ({"class": "iRule", "remark": "a\nb", "iRule": ""}, "/T/A/item/remark: should match pattern"),
        ({"class": "iRule", "remark": "ends\n", "iRule": ""}, "/T/A/item/remark: should match pattern"),
        (service(virtualPort=70000), "/T/A/item/virtualPort"),
    ],
)
def test_official_schema_refuses(strict: Box, item: Json, text: str) -> None:
    assert text in refusal(strict, small(item=item))


def test_property_known_to_no_class(strict: Box) -> None:
    assert refusal(strict, small(dg={**group(), "recrods": []})) == "Invalid data property: recrods"


# The table of fidelity against F5's schema


def class_properties(document: Json, name: str) -> dict[str, Any]:
    """Every property of a class, with its default where the schema has one."""
    found: dict[str, Any] = {}

    def walk(schema: Any) -> None:
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            walk(document["definitions"][schema["$ref"].rpartition("/")[2]])
        for key, value in schema.get("properties", {}).items():
            default = value.get("default", UNSET) if isinstance(value, dict) else UNSET
            if found.get(key, UNSET) is UNSET:
                found[key] = default
        for key in ("allOf", "anyOf", "oneOf"):
            for branch in schema.get(key, []):
                walk(branch)
        for key in ("then", "else"):
            walk(schema.get(key))

    walk(document["definitions"][name])
    return found


def tabled() -> list[tuple[str, ClassRules]]:
    names = {"iRule": "IRule", "Monitor": "Monitor_HTTPS"}
    items = [(names.get(name, name), rules) for name, rules in classes.ITEMS.items()]
    return [*items, ("Pool_Member", classes.POOL_MEMBER)]


@pytest.mark.parametrize(("name", "rules"), tabled(), ids=[name for name, _ in tabled()])
def test_table_covers_every_property_of_the_schema(name: str, rules: ClassRules) -> None:
    document = json.loads(official_schema().read_text())
    properties = class_properties(document, name)
    patterns = [re.compile(pattern) for pattern in document["definitions"][name].get("patternProperties", {})]
    ours = {key for key in rules.properties if not any(pattern.search(key) for pattern in patterns)}
    assert ours - {"class", "label", "remark"} == set(properties) - {"class", "label", "remark"}
    defaults = {key: properties[key] for key, values in rules.only.items() if values.default is not UNSET}
    our_defaults = {key: rules.only[key].default for key in defaults if defaults[key] is not UNSET}
    assert our_defaults == {key: value for key, value in defaults.items() if value is not UNSET}
    closed = document["definitions"][name].get("additionalProperties") is False
    assert rules.closed == closed


def test_our_defaults_are_the_schemas() -> None:
    """A declaration means the same with the defaults that F5's schema fills in."""
    schema = Schema.read(official_schema())
    declaration = small(
        vs=service(),
        tls_bare={"class": "TLS_Client"},
        http_bare={"class": "HTTP_Profile"},
        tcp_bare={"class": "TCP_Profile"},
        one_bare={"class": "Multiplex_Profile"},
        monitor_bare={"class": "Monitor", "monitorType": "https"},
        pool_bare={"class": "Pool", "members": [{"servicePort": 80, "serverAddresses": ["10.0.0.9"]}]},
        dg_bare=group(("a", "1")),
        rule_bare=encoded("when CLIENT_ACCEPTED { }"),
    )
    expanded = copy.deepcopy(declaration)
    assert schema.first_error(expanded) is None
    assert expanded != declaration
    assert translate(expanded, Config()) == translate(declaration, Config())
