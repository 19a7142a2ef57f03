"""Facts of AS3 and iControl REST that no other test holds; docs/fidelity.md lists them all."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from control_plane_kit import Box, Json, group, official_schema, pki, service, small, start, start_pair

from bigip_sm.lab.bigip.as3.storage import LOCK
from bigip_sm.lab.bigip.as3.translate import translate
from bigip_sm.lab.bigip.cluster import DeviceGroup
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup
from bigip_sm.lab.bigip.replies import Refusal

AS3 = "/mgmt/shared/appsvcs"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def hold_lock(box: Box) -> None:
    box.config.commit(put=[DataGroup(LOCK, "string", (), str(int(box.clock.now * 1000)))])


def test_ignore_changes_of_an_internal_data_group_does_nothing(box: Box) -> None:
    declaration = small(dg={**group(("a", "1")), "ignoreChanges": True})
    box.deploy(declaration)
    box.config.commit(put=[DataGroup("/T/A/dg", "string", (("a", "by hand"),))])
    assert box.declare(declaration).json()["results"][0]["message"] == "success"
    assert box.config.get(DataGroup, "/T/A/dg") == DataGroup("/T/A/dg", "string", (("a", "1"),))


def test_a_lock_comes_without_retry_after(box: Box) -> None:
    hold_lock(box)
    answer = box.declare(small(dg=group()))
    assert answer.status_code == 503
    assert "retry-after" not in answer.headers


def test_a_lock_counts_for_two_minutes(box: Box) -> None:
    hold_lock(box)
    box.clock.now += 119
    assert box.declare(small(dg=group())).status_code == 503
    box.clock.now += 2
    box.deploy(small(dg=group()))


def test_a_dry_run_waits_for_the_lock(box: Box) -> None:
    hold_lock(box)
    assert box.declare(small(dg=group()), **{"controls.dryRun": "true"}).status_code == 503


def test_controls_are_closed() -> None:
    for box in start(official_schema()):
        answer = box.declare({**small(dg=group()), "controls": {"class": "Controls", "virtualPort": 443}})
        assert answer.status_code == 422
        assert answer.json()["errors"] == ["/controls: should NOT have additional properties"]


def test_a_partition_of_a_tenants_name_is_taken_over(box: Box) -> None:
    assert box.request("POST", "/mgmt/tm/auth/partition", json={"name": "T"}).status_code == 200
    box.config.commit(put=[DataGroup("/T/mine", "string")])
    box.deploy(small(dg=group()))
    assert [found.path for found in box.config.below("/T/")] == ["/T/A/dg"]


def test_addresses_get_their_length(box: Box) -> None:
    box.deploy(small(nets=group(("10.0.0.1", "a"), ("2001:db8::1", "b"), kind="ip")))
    found = box.config.get(DataGroup, "/T/A/nets")
    assert found is not None
    assert dict(found.records) == {"10.0.0.1/32": "a", "2001:db8::1/128": "b"}


def test_a_result_has_its_keys(box: Box) -> None:
    body = box.declare(small(dg=group())).json()
    (result,) = body["results"]
    assert set(result) == {"code", "message", "lineCount", "host", "tenant", "runTime", "declarationId"}
    assert (result["host"], result["tenant"], result["declarationId"]) == ("localhost", "T", "small")
    assert "code" not in body
    (same,) = box.declare(small(dg=group())).json()["results"]
    assert set(same) == {"code", "message", "host", "tenant", "runTime", "declarationId"}


def test_a_refusal_has_its_keys(box: Box) -> None:
    answer = box.declare(small(dg={**group(), "keyDataType": "text"}))
    assert answer.status_code == 422
    body = answer.json()
    assert set(body) == {"code", "message", "errors", "host", "tenant", "declarationId"}
    assert (body["code"], body["message"], body["host"]) == (422, "declaration is invalid", "localhost")
    assert (body["tenant"], body["declarationId"]) == (["T"], "small")


def test_an_empty_body_times_out(box: Box) -> None:
    answer = box.request("POST", f"{AS3}/declare", content=b"")
    assert (answer.status_code, answer.json()["message"]) == (408, "Request exceeded iControl LX timeout")


def test_a_sync_status_has_its_entries() -> None:
    for pair in start_pair(DeviceGroup("/Common/pair")):
        colors = set()
        for action in (None, "config-sync to-group pair"):
            if action is not None:
                body = {"command": "run", "utilCmdArgs": action}
                assert pair.a.request("POST", "/mgmt/tm/cm", json=body).status_code == 200
                time.sleep(0.01)
            (entry,) = pair.a.request("GET", "/mgmt/tm/cm/sync-status").json()["entries"].values()
            entries = entry["nestedStats"]["entries"]
            assert {"color", "mode", "status", "summary"} <= set(entries)
            colors.add(entries["color"]["description"])
        assert len(colors) == 2


def test_inline_private_keys_come_back_in_clear(box: Box) -> None:
    issued = pki()[1]
    box.deploy(
        small(cert={"class": "Certificate", "certificate": issued.certificate_pem, "privateKey": issued.key_pem})
    )
    shown = box.request("GET", f"{AS3}/declare").json()
    assert shown["T"]["A"]["cert"]["privateKey"] == issued.key_pem


def test_settings_do_not_sync() -> None:
    for pair in start_pair(DeviceGroup("/Common/pair")):
        assert pair.a.request("POST", f"{AS3}/settings", json={"asyncTaskStorage": "memory"}).status_code == 200
        body = {"command": "run", "utilCmdArgs": "config-sync to-group pair"}
        assert pair.a.request("POST", "/mgmt/tm/cm", json=body).status_code == 200
        stored = [box.request("GET", f"{AS3}/settings").json()["asyncTaskStorage"] for box in (pair.a, pair.b)]
        assert stored == ["memory", "data-group"]


LACKING = """Analytics_Profile Bandwidth_Control_Policy Endpoint_Policy HTTP2_Profile JSON_Profile Log_Destination
    Log_Publisher SNAT_Pool SSE_Profile Service_Address Traffic_Log_Profile WAF_Policy"""


@pytest.mark.parametrize("name", LACKING.split())
def test_classes_that_the_lab_lacks_are_refused_by_name(box: Box, name: str) -> None:
    answer = box.declare(small(item={"class": name}))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [f"/T/A/item: class {name} is not emulated by the lab"]
    assert list(box.config.below("/T/")) == []


def test_a_second_certificate_of_a_tls_server_is_refused_by_name(box: Box) -> None:
    certificate = {**CERTIFICATE, "privateKey": {"bigip": "/Common/models.key"}}
    server = {"class": "TLS_Server", "certificates": [{"certificate": "first"}, {"certificate": "second"}]}
    answer = box.declare(small(tls=server, first=certificate, second=certificate))
    assert answer.json()["errors"] == ["/T/A/tls/certificates: more than one certificate is not emulated by the lab"]


TLS_CLIENT: Json = {"class": "TLS_Client"}
HTTP: Json = {"class": "HTTP_Profile"}
CERTIFICATE: Json = {"class": "Certificate", "certificate": {"bigip": "/Common/models.crt"}}
POOL: Json = {"class": "Pool"}
MONITOR: Json = {"class": "Monitor", "monitorType": "https"}
REFERENCE: Json = {"bigip": "/Common/x"}

LACKING_PROPERTIES: list[tuple[Json, object, str]] = [
    (service(), REFERENCE, "profileHTTP2 profileJSON profileSSE profileHTTPAcceleration profileHTTPCompression"),
    (service(), REFERENCE, "profileAnalyticsTcp profileStream profileTrafficLog"),
    (service(), REFERENCE, "profileApiProtection profileAccess policyEndpoint"),
    (service(), REFERENCE, "policyIAM policyBandwidthControl securityLogProfiles clonePools allowVlans rejectVlans"),
    (service(), REFERENCE, "fallbackPersistenceMethod"),
    (service(), True, "httpMrfRoutingEnabled serversslUseSni shareAddresses"),
    (service(), False, "addressStatus translateServerAddress translateServerPort"),
    (service(), 10, "rateLimit maxConnections maximumBandwidth"),
    (service(), "none", "snat"),
    (service(), "L4", "mirroring"),
    (service(), "disable", "lastHop"),
    (service(), "preserve", "translateClientPort"),
    (service(), "10.0.0.0/8", "sourceAddress"),
    (service(), "drop", "serviceDownImmediateAction"),
    (service(), ["cookie"], "persistenceMethods"),
    (TLS_CLIENT, REFERENCE, "crlFile clientCertificate"),
    (TLS_CLIENT, True, "ignoreExpired ignoreUntrusted requireSNI"),
    (TLS_CLIENT, 5, "authenticationDepth"),
    (CERTIFICATE, REFERENCE, "pkcs12 pkcs12Options passphrase staplerOCSP issuerCertificate"),
    (HTTP, "x", "insertHeader whiteOutHeader allowedResponseHeaders otherXFF encryptCookies cookiePassphrase"),
    (HTTP, "x", "fallbackRedirect fallbackStatusCodes viaHost"),
    (HTTP, "rechunk", "requestChunking responseChunking"),
    (HTTP, "append", "viaRequest viaResponse"),
    (HTTP, "all", "rewriteRedirects"),
    (HTTP, True, "trustXFF"),
    (POOL, 2, "minimumMembersActive minimumMonitors"),
    (POOL, "reset", "serviceDownAction"),
    (MONITOR, "x", "username receiveDown targetAddress"),
    (MONITOR, True, "adaptive transparent reverse"),
    (group(), REFERENCE, "externalFilePath dataGroupFile"),
]


@pytest.mark.parametrize(
    ("item", "value", "name"),
    [(item, value, name) for item, value, names in LACKING_PROPERTIES for name in names.split()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_properties_that_the_lab_lacks_are_refused_by_name(item: Json, value: object, name: str) -> None:
    with pytest.raises(Refusal) as refused:
        translate(small(item={**item, name: value}), Config())
    (error,) = refused.value.body["errors"]
    assert error.startswith(f"/T/A/item/{name}: ")
    assert error.endswith("not emulated by the lab")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ratio", 5),
        ("connectionLimit", 5),
        ("rateLimit", 5),
        ("adminState", "disable"),
        ("shareNodes", True),
        ("monitors", ["https"]),
        ("routeDomain", 2),
    ],
)
def test_properties_of_members_that_the_lab_lacks_are_refused_by_name(name: str, value: object) -> None:
    member = {"servicePort": 80, "serverAddresses": ["10.0.0.1"], name: value}
    with pytest.raises(Refusal) as refused:
        translate(small(item={**POOL, "members": [member]}), Config())
    (error,) = refused.value.body["errors"]
    assert f"/members/0/{name}: " in error
    assert error.endswith("not emulated by the lab")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/mgmt/shared/file-transfer/uploads/words"),
        ("GET", "/mgmt/tm/sys/file/data-group"),
        ("GET", "/mgmt/tm/ltm/data-group/external"),
        ("GET", "/mgmt/shared/authz/roles"),
        ("GET", "/mgmt/shared/authz/resource-groups"),
        ("GET", "/mgmt/tm/ltm/virtual-address"),
        ("GET", "/mgmt/shared/telemetry/info"),
    ],
)
def test_paths_that_the_lab_lacks_say_so(box: Box, method: str, path: str) -> None:
    answer = box.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == 404
    assert "not emulated by the lab" in answer.json()["message"]
