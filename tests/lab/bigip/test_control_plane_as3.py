"""AS3 over HTTPS: what it deploys, what it deletes, what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from control_plane_kit import Box, Json, encoded, group, pki, quickstart, service, small, start

from bigip_sm.lab.bigip.objects import (
    ClientSsl,
    DataGroup,
    HttpProfile,
    HttpsMonitor,
    Pool,
    Rule,
    ServerSsl,
    SslKey,
    VirtualServer,
)

AS3 = "/mgmt/shared/appsvcs"
GROUPS = "/mgmt/tm/ltm/data-group/internal"


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def test_quickstart_is_deployed(box: Box) -> None:
    box.make_credentials()
    answer = box.declare(quickstart())
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    assert (result["code"], result["message"], result["tenant"]) == (200, "success", "quickstart")
    assert result["lineCount"] > 0
    root = "/quickstart/gateway"
    virtual = box.config.get(VirtualServer, f"{root}/listener_public")
    assert virtual == VirtualServer(
        f"{root}/listener_public",
        "10.20.0.10",
        443,
        rules=(f"{root}/irule_public",),
        pool=None,
        client_ssl=f"{root}/tls_public",
        server_ssl=(f"{root}/tls_runtime_us_east_1",),
        http=f"{root}/http",
        tcp_client=f"{root}/tcp_client",
        tcp_server=f"{root}/tcp_aws_public",
        one_connect=f"{root}/one_connect",
    )
    client_ssl = box.config.get(ClientSsl, f"{root}/tls_public")
    assert client_ssl is not None
    assert client_ssl.certificates == (("/Common/models.crt", "/Common/models.key"),)
    assert (client_ssl.minimum_version, client_ssl.maximum_version) == ("1.2", "1.3")
    assert (client_ssl.client_certificate, client_ssl.trusted_ca) == ("request", "/Common/clients-ca.crt")
    server_ssl = box.config.get(ServerSsl, f"{root}/tls_runtime_us_east_1")
    assert server_ssl is not None
    assert server_ssl.verify
    assert server_ssl.ca_file == "/Common/ca-bundle.crt"
    assert server_ssl.server_name == server_ssl.authenticate_name == "runtime.sagemaker.us-east-1.amazonaws.com"
    pool = box.config.get(Pool, f"{root}/pool_llama")
    assert pool is not None
    assert pool.members[0].node.startswith("/quickstart/quickstart-vpce-0a1b.")
    assert pool.members[0].auto_populate
    monitor = box.config.get(HttpsMonitor, f"{root}/monitor_runtime")
    assert monitor is not None
    assert (monitor.interval, monitor.timeout) == (5, 16)
    networks = box.config.get(DataGroup, f"{root}/networks_batch")
    assert networks is not None
    assert networks.records == (("10.30.0.0/16", "nightly-batch"),)
    assert box.config.get(Rule, f"{root}/irule_public") is not None
    again = box.declare(quickstart()).json()["results"][0]
    assert (again["code"], again["message"]) == (200, "no change")


def test_info(box: Box) -> None:
    shown = box.request("GET", f"{AS3}/info").json()
    assert shown == {"version": "3.56.0", "release": "10", "schemaCurrent": "3.56.0", "schemaMinimum": "3.0.0"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/selftest", 400),
        ("PUT", "/declare", 501),
        ("DELETE", "/settings", 405),
        ("DELETE", "/declare/T/applications", 501),
        ("GET", "/declare?bogus=1", 400),
        ("GET", "/task/nope", 404),
    ],
)
def test_calls_refused(box: Box, method: str, path: str, status: int) -> None:
    assert box.request(method, f"{AS3}{path}", json={}).status_code == status


# What AS3 owns


def test_strangers_in_the_tenant_are_deleted_and_others_stay(box: Box) -> None:
    box.make_credentials()
    box.request(
        "PATCH", f"{GROUPS}/~bigip_sm~quickstart.chat", json={"records": [{"name": "meta", "data": "1|2|3|4|lab"}]}
    )
    rotated = box.config.get(DataGroup, "/bigip_sm/quickstart.chat")
    box.deploy(quickstart())
    stranger = DataGroup("/quickstart/gateway/stranger", "string")
    outside = DataGroup("/Common/Shared/outside", "string")
    box.config.commit(put=[stranger, DataGroup("/quickstart/top", "string"), outside])
    assert box.declare(quickstart()).json()["results"][0]["message"] == "success"
    assert box.config.get(DataGroup, stranger.path) is None
    assert box.config.get(DataGroup, "/quickstart/top") is None
    assert box.config.get(DataGroup, outside.path) == outside
    assert box.config.get(DataGroup, "/bigip_sm/quickstart.chat") == rotated


def test_changes_behind_its_back_are_reverted(box: Box) -> None:
    box.deploy(small(dg=group(("a", "1"))))
    box.request("PATCH", f"{GROUPS}/~T~A~dg", json={"records": [{"name": "forged"}]})
    assert box.declare(small(dg=group(("a", "1")))).json()["results"][0]["message"] == "success"
    assert box.config.get(DataGroup, "/T/A/dg") == DataGroup("/T/A/dg", "string", (("a", "1"),))


def test_selective_leaves_other_tenants_and_complete_deletes_them(box: Box) -> None:
    box.deploy(small("One", dg=group()))
    box.deploy(small("Two", dg=group()))
    assert {"One", "Two"} <= set(box.plane.folders.partitions())
    complete = {**small("Two", dg=group()), "updateMode": "complete"}
    results = box.declare(complete).json()["results"]
    assert [(result["tenant"], result["message"]) for result in results] == [("Two", "no change"), ("One", "success")]
    assert box.plane.folders.partitions() == ("Common", "Two")
    assert box.config.get(DataGroup, "/One/A/dg") is None


def test_empty_tenant_and_delete_remove_the_partition(box: Box) -> None:
    removals: list[Callable[[], httpx.Response]] = [
        lambda: box.declare({"class": "ADC", "schemaVersion": "3.0.0", "id": "x", "T": {"class": "Tenant"}}),
        lambda: box.request("DELETE", f"{AS3}/declare/T"),
        lambda: box.request("DELETE", f"{AS3}/declare"),
    ]
    for remove in removals:
        box.deploy(small(dg=group()))
        answer = remove()
        assert (answer.status_code, answer.json()["results"][0]["message"]) == (200, "success")
        assert box.plane.folders.partitions() == ("Common",)
        assert list(box.config.below("/T/")) == []
        assert box.request("GET", f"{AS3}/declare/T").status_code == 404
    assert box.request("DELETE", f"{AS3}/declare/T").json()["results"][0]["message"] == "no change"


def test_data_group_in_an_as3_folder_goes_with_its_application(box: Box) -> None:
    box.deploy(small(dg=group()))
    declaration = small(dg=group())
    declaration["T"]["B"] = declaration["T"].pop("A")
    box.deploy(declaration)
    assert [found.path for found in box.config.below("/T/")] == ["/T/B/dg"]
    assert not box.plane.folders.has("/T/A")


# Results


def test_one_tenant_fails_the_other_is_deployed(box: Box) -> None:
    declaration = {**small("Bad", rule=encoded("when NOPE { }")), "Good": small("Good", dg=group())["Good"]}
    answer = box.declare(declaration)
    assert (answer.status_code, answer.json()["code"]) == (207, 207)
    bad, good = answer.json()["results"]
    assert (bad["code"], bad["message"], good["code"]) == (422, "declaration failed", 200)
    assert bad["response"].startswith("01070151:3:")
    assert box.plane.folders.partitions() == ("Common", "Good")
    shown = box.request("GET", f"{AS3}/declare").json()
    assert "Good" in shown
    assert "Bad" not in shown


def test_failed_tenant_is_422_and_atomic(box: Box) -> None:
    answer = box.declare(small(dg=group(), rule=encoded("when NOPE { }")))
    assert (answer.status_code, answer.json()["code"]) == (422, 422)
    assert list(box.config.below("/T/")) == []
    assert box.request("GET", f"{AS3}/declare").status_code == 204


def test_dry_run_changes_nothing_and_finds_no_rule_error(box: Box) -> None:
    declaration = small(dg=group(), rule=encoded("when NOPE { }"))
    wrapped = {"class": "AS3", "action": "dry-run", "declaration": declaration}
    controls = {**declaration, "controls": {"dryRun": True}}
    in_tenant = {**declaration, "T": {**declaration["T"], "controls": {"class": "Controls", "dryRun": True}}}
    for answer in (
        box.declare(wrapped),
        box.declare(controls),
        box.declare(in_tenant),
        box.declare(declaration, **{"controls.dryRun": "true"}),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["dryRun"]
        (result,) = answer.json()["results"]
        assert (result["dryRun"], result["message"]) == (True, "success")
        assert result["lineCount"] > 0
    assert list(box.config.below("/T/")) == []
    assert box.request("GET", f"{AS3}/declare").status_code == 204


def test_declarations_are_kept_and_shown(box: Box) -> None:
    assert box.request("GET", f"{AS3}/declare").status_code == 204
    box.deploy(small("One", dg=group(("a", "1"))))
    box.deploy(small("Two", dg=group()))
    shown = box.request("GET", f"{AS3}/declare").json()
    assert shown["One"]["A"]["dg"]["records"] == [{"key": "a", "value": "1"}]
    assert shown["controls"]["archiveTimestamp"].startswith("2026-09-")
    assert "Two" in shown
    assert "Two" not in box.request("GET", f"{AS3}/declare/One").json()
    missing = box.request("GET", f"{AS3}/declare/One,Nope")
    assert missing.status_code == 404
    assert missing.json()["message"] == "specified Tenant(s) 'Nope' not found in declaration"
    for number in range(6):
        box.deploy({"class": "AS3", "historyLimit": 3, "declaration": small(dg=group(("n", str(number))))})
    assert len(box.plane.appsvcs.history) == 3


def test_missing_id_is_made_up(box: Box) -> None:
    declaration = small(dg=group())
    del declaration["id"]
    assert box.declare(declaration).json()["results"][0]["declarationId"].startswith("autogen_")


# Tasks, lock


def finished(box: Box, task: str) -> Json:
    for _ in range(100):
        shown: Json = box.request("GET", f"{AS3}/task/{task}").json()
        if shown["results"][0]["message"] != "in progress":
            return shown
        time.sleep(0.02)
    raise AssertionError("the task does not end")


def test_asynchronous_task(box: Box) -> None:
    box.plane.appsvcs.duration = 0.2
    answer = box.declare(small(dg=group()), **{"async": "true"})
    assert answer.status_code == 202
    body = answer.json()
    assert body["results"][0]["message"] == "Declaration successfully submitted"
    assert body["selfLink"] == f"https://localhost/mgmt/shared/appsvcs/task/{body['id']}"
    running = box.request("GET", f"{AS3}/task/{body['id']}")
    assert (running.status_code, running.json()["results"][0]["code"]) == (200, 0)
    shown = finished(box, body["id"])
    assert (shown["results"][0]["message"], shown["results"][0]["tenant"]) == ("success", "T")
    assert "code" not in shown
    assert [task["id"] for task in box.request("GET", f"{AS3}/task").json()["items"]] == [body["id"]]


def test_validation_error_shows_in_the_task(box: Box) -> None:
    body = box.declare(small(x={"class": "Pool", "bogus": 1}), **{"async": "true"}).json()
    shown = box.request("GET", f"{AS3}/task/{body['id']}")
    assert shown.status_code == 200
    result = finished(box, body["id"])["results"][0]
    assert (result["code"], result["tenant"]) == (422, ["T"])


def test_lock(box: Box) -> None:
    box.plane.appsvcs.duration = 0.3
    first = box.declare(small(dg=group()), **{"async": "true"}).json()["id"]
    refused = box.declare(small("U", dg=group()))
    assert refused.status_code == 503
    assert refused.json()["message"] == (
        "Error: Configuration operation in progress on device localhost, please try again in 2 minutes"
    )
    assert refused.json()["tenant"] == ["U"]
    second = box.declare(small("U", dg=group()), **{"async": "true"}).json()["id"]
    assert finished(box, second)["results"][0]["code"] == 503
    assert finished(box, first)["results"][0]["code"] == 200
    box.deploy(small("U", dg=group()))


def test_slow_synchronous_declaration_turns_into_a_task(box: Box) -> None:
    box.plane.appsvcs.duration, box.plane.appsvcs.patience = 0.3, 0.1
    answer = box.declare(small(dg=group()))
    assert answer.status_code == 202
    assert finished(box, answer.json()["id"])["results"][0]["message"] == "success"


def test_declaration_outlives_its_client(box: Box) -> None:
    box.plane.appsvcs.duration = 0.3
    with pytest.raises(httpx.ReadTimeout):
        box.request("POST", f"{AS3}/declare", json=small(dg=group()), timeout=0.1)
    deadline = time.monotonic() + 5
    while box.config.get(DataGroup, "/T/A/dg") is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_only_the_25_newest_finished_tasks_are_kept(box: Box) -> None:
    tasks = [box.declare(small(dg=group()), **{"async": "true"}).json()["id"] for _ in range(30)]
    assert len(box.request("GET", f"{AS3}/task").json()["items"]) <= 26
    assert box.request("GET", f"{AS3}/task/{tasks[0]}").status_code == 404
    assert finished(box, tasks[-1])["results"][0]["code"] == 200


# What is made


def test_rule_text_is_rewritten(box: Box) -> None:
    text = "\r\n\r\nwhen CLIENT_ACCEPTED {  \r\n    set a foo\\\r\n        bar\r\n}\r\n"
    box.deploy(small(rule=encoded(text)))
    rule = box.config.get(Rule, "/T/A/rule")
    assert rule is not None
    assert rule.text == "when CLIENT_ACCEPTED {\n    set a foobar\n}"


def test_a_backslash_alone_on_a_line_is_a_change_at_each_post(box: Box) -> None:
    declaration = small(rule=encoded("when CLIENT_ACCEPTED {\n    set a foo\n\\\n}"))
    for _ in range(2):
        (result,) = box.declare(declaration).json()["results"]
        assert (result["code"], result["message"]) == (200, "success")
        rule = box.config.get(Rule, "/T/A/rule")
        assert rule is not None
        assert rule.text == "when CLIENT_ACCEPTED {\n    set a foo\n }"


def test_values_lose_their_backslashes_and_the_last_key_wins(box: Box) -> None:
    box.deploy(small(dg=group(("a", "1\\n2"), ("b", 'x"y{'), ("a", "last"))))
    found = box.config.get(DataGroup, "/T/A/dg")
    assert found is not None
    assert found.records == (("a", "last"), ("b", 'x"y{'))
    box.deploy(small(dg=group(("a", "1\\n2"))))
    assert box.config.get(DataGroup, "/T/A/dg") == DataGroup("/T/A/dg", "string", (("a", "1n2"),))


def test_every_address_makes_a_virtual_server(box: Box) -> None:
    box.deploy(small(vs=service(virtualAddresses=["10.0.0.1", "10.0.0.2", "2001:db8::1"], virtualPort=8443)))
    made = {virtual.path: (virtual.address, virtual.port) for virtual in box.config.all(VirtualServer)}
    assert made == {
        "/T/A/vs": ("10.0.0.1", 8443),
        "/T/A/vs-1-": ("10.0.0.2", 8443),
        "/T/A/vs-2-": ("2001:db8::1", 8443),
    }


def test_service_defaults_and_states(box: Box) -> None:
    box.deploy(small(vs=service()))
    virtual = box.config.get(VirtualServer, "/T/A/vs")
    assert virtual is not None
    assert (virtual.http, virtual.tcp_client, virtual.port) == ("/Common/http", "/Common/f5-tcp-progressive", 443)
    assert (virtual.one_connect, virtual.client_ssl, virtual.server_ssl, virtual.pool) == (None, None, (), None)
    box.deploy(small(vs=service(profileMultiplex="basic", profileTCP="wan", adminState="disable")))
    virtual = box.config.get(VirtualServer, "/T/A/vs")
    assert virtual is not None
    assert (virtual.one_connect, virtual.tcp_server) == ("/Common/oneconnect", "/Common/f5-tcp-wan")
    assert not virtual.enabled
    box.deploy(small(vs=service(enable=False)))
    assert list(box.config.all(VirtualServer)) == []


def test_inline_certificates_make_files(box: Box) -> None:
    authority, issued, _ = pki()
    inline = {
        "class": "Certificate",
        "certificate": issued.certificate_pem,
        "privateKey": {"text": issued.key_pem},
        "chainCA": {"use": "ca_inline"},
    }
    bundle = {"class": "CA_Bundle", "bundle": authority.certificate_pem}
    server = {"class": "TLS_Server", "certificates": [{"certificate": "cert_inline"}]}
    box.deploy(small(cert_inline=inline, ca_inline=bundle, tls_inline=server))
    profile = box.config.get(ClientSsl, "/T/A/tls_inline")
    assert profile is not None
    assert profile.certificates == (("/T/A/cert_inline.crt", "/T/A/cert_inline.key"),)
    assert profile.chain == "/T/A/ca_inline"
    assert (profile.minimum_version, profile.maximum_version) == ("1.0", "1.2")
    assert (profile.client_certificate, profile.renegotiation) == ("ignore", True)
    assert box.config.get(SslKey, "/T/A/cert_inline.key") == SslKey("/T/A/cert_inline.key", issued.key_pem)


def test_as3s_bad_defaults_of_tls_client(box: Box) -> None:
    box.deploy(small(tls_bare={"class": "TLS_Client"}))
    profile = box.config.get(ServerSsl, "/T/A/tls_bare")
    assert profile == ServerSsl("/T/A/tls_bare", None, None, False, "/Common/ca-bundle.crt", "1.0", "1.2")


def test_tls_1_3_needs_a_cipher_group(box: Box) -> None:
    with_group = {"class": "TLS_Client", "tls1_3Enabled": True, "cipherGroup": {"bigip": "/Common/f5-default"}}
    without = {"class": "TLS_Client", "tls1_3Enabled": True}
    box.deploy(small(tls_with=with_group, tls_without=without))
    highest = {profile.path: profile.maximum_version for profile in box.config.all(ServerSsl)}
    assert highest == {"/T/A/tls_with": "1.3", "/T/A/tls_without": "1.2"}


def test_http_profile_defaults(box: Box) -> None:
    box.deploy(small(http_bare={"class": "HTTP_Profile"}))
    profile = box.config.get(HttpProfile, "/T/A/http_bare")
    assert profile is not None
    assert profile.insert_x_forwarded_for
    assert not profile.enforce_rfc
    assert profile.server_agent_name == "BigIP"


def test_static_members(box: Box) -> None:
    members = [
        {"servicePort": 80, "serverAddresses": ["10.0.0.1"], "priorityGroup": 2},
        {"servicePort": 80, "servers": [{"name": "two", "address": "10.0.0.2"}]},
        {"servicePort": 80, "serverAddresses": ["10.0.0.3"], "enable": False},
    ]
    box.deploy(small(pool_static={"class": "Pool", "members": members}))
    pool = box.config.get(Pool, "/T/A/pool_static")
    assert pool is not None
    assert [(member.host, member.node, member.priority_group) for member in pool.members] == [
        ("10.0.0.1", "/T/10.0.0.1", 2),
        ("10.0.0.2", "/T/two", 0),
    ]


def test_pointers_into_shared(box: Box) -> None:
    declaration = small(vs=service(iRules=["/T/Shared/rule_shared", "/@/Shared/rule_other", {"use": "rule_own"}]))
    declaration["T"]["A"]["rule_own"] = encoded("when CLIENT_ACCEPTED { set a 1 }")
    declaration["T"]["Shared"] = {
        "class": "Application",
        "template": "shared",
        "rule_shared": encoded("when CLIENT_ACCEPTED { set b 1 }"),
        "rule_other": encoded("when CLIENT_ACCEPTED { set c 1 }"),
    }
    box.deploy(declaration)
    virtual = box.config.get(VirtualServer, "/T/A/vs")
    assert virtual is not None
    assert virtual.rules == ("/T/Shared/rule_shared", "/T/Shared/rule_other", "/T/A/rule_own")


def test_typo_legal_elsewhere_is_ignored_in_silence(box: Box) -> None:
    box.deploy(small(vs=service(sendSNI="x.example.com")))
