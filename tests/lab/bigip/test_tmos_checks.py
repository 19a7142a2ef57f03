"""What TMOS refuses when the transaction runs: 422, and nothing of the tenant changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from control_plane_kit import Box, Json, encoded, group, pki, quickstart, service, small, start

from bigip_sm.lab.bigip.checks import TransactionError, check
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import DataGroup, HttpsMonitor, Pool, Rule, ServerSsl, SslCertificate, VirtualServer


@pytest.fixture
def box() -> Iterator[Box]:
    yield from start()


def failure(box: Box, declaration: Json) -> str:
    """Post a declaration whose only tenant must fail; returns TMOS's words."""
    before = box.configured()
    answer = box.declare(declaration)
    assert answer.status_code == 422, answer.text
    assert box.configured() == before
    (result,) = answer.json()["results"]
    assert result["message"] == "declaration failed"
    return str(result["response"])


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("when NOPE { }", "01070151:3: Rule [/T/A/rule] error: "),
        ("when CLIENT_ACCEPTED { nonsense_command }", "undefined procedure: nonsense_command"),
        ("when CLIENT_ACCEPTED { exec ls }", "command is disabled"),
        ("when CLIENT_ACCEPTED { # one { too many\n }", "missing close-brace"),
        ("when CLIENT_ACCEPTED { set a 1 }}", "missing close-brace"),
        (
            "when CLIENT_ACCEPTED { class lookup x /bigip_sm/quickstart.chat }",
            "01070151:3: Rule [/T/A/rule] error: Unable to find value_list (/bigip_sm/quickstart.chat)",
        ),
        (
            "when CLIENT_ACCEPTED { pool /T/A/nope }",
            "01070151:3: Rule [/T/A/rule] error: Unable to find pool (/T/A/nope)",
        ),
        ("when SERVER_CONNECTED { SSL::profile /T/A/nope }", "Unable to find profile (/T/A/nope)"),
    ],
)
def test_rule_does_not_load(box: Box, rule: str, text: str) -> None:
    assert text in failure(box, small(rule=encoded(rule)))


def test_rule_may_name_objects_of_its_own_declaration_and_of_any_partition(box: Box) -> None:
    box.make_credentials()
    rule = "when CLIENT_ACCEPTED { class lookup x own ; class lookup x /bigip_sm/quickstart.chat }"
    box.deploy(small(rule=encoded(rule), own=group()))


def test_object_that_a_rule_of_another_tenant_names_stays(box: Box) -> None:
    box.deploy(small("Owner", dg=group()))
    box.deploy(small("User", rule=encoded("when CLIENT_ACCEPTED { class lookup x /Owner/A/dg }")))
    text = failure(box, {**small("Owner"), "Owner": {"class": "Tenant"}})
    assert text == (
        "01070265:3: The data group (/Owner/A/dg) cannot be deleted because it is in use by a rule (/User/A/rule)."
    )


def test_one_address_is_one_node(box: Box) -> None:
    """AS3 compares with the nodes of the device only; that two tenants of one declaration clash is for TMOS to see."""

    def pool(member: Json) -> Json:
        return {"class": "Pool", "members": [{"servicePort": 443, **member}]}

    static = pool({"serverAddresses": ["10.1.0.9"]})
    named = pool({"servers": [{"name": "web", "address": "10.1.0.9"}]})
    text = failure(box, small(p1=static, p2=named))
    assert text == (
        "0107003a:3: Pool member node (/T/web) and existing node (/T/10.1.0.9) cannot use the same "
        "IP Address (10.1.0.9)."
    )
    dynamic = pool({"addressDiscovery": "fqdn", "hostname": "a.example.com"})
    for item in (static, dynamic):
        answer = box.declare({**small("One", p1=item), **small("Two", p2=item)})
        assert answer.status_code == 207, answer.text
        codes = {result["tenant"]: result["code"] for result in answer.json()["results"]}
        assert codes == {"One": 200, "Two": 422}


def test_events_need_their_profiles(box: Box) -> None:
    rule = encoded("when CLIENTSSL_HANDSHAKE { set a 1 }")
    text = failure(box, small(vs=service(iRules=["rule"]), rule=rule))
    assert text == (
        "01070394:3: CLIENTSSL_HANDSHAKE event in rule (/T/A/rule) requires an associated CLIENTSSL profile on the "
        "virtual-server (/T/A/vs)."
    )
    box.deploy(small(rule=rule))


def test_destination_belongs_to_one_virtual_server(box: Box) -> None:
    box.deploy(small("One", vs=service()))
    assert failure(box, small("Two", vs=service())).startswith("01070333:3: Virtual Server /Two/A/vs illegally shares")
    assert failure(box, small("One", vs=service(), vt=service())).startswith("01070333:3:")


def test_address_belongs_to_one_partition(box: Box) -> None:
    box.deploy(small("One", vs=service()))
    text = failure(box, small("Two", vs=service(virtualPort=8443)))
    assert text == "0107176c:3: Invalid Virtual Address, the IP address 10.0.0.1 already exists."
    box.deploy(small("One", vs=service(), vt=service(virtualPort=8443)))


def test_pem_must_parse(box: Box) -> None:
    bundle = {"class": "CA_Bundle", "bundle": "hello"}
    assert "is not valid PEM" in failure(box, small(ca=bundle))
    issued = pki()[1]
    certificate = {"class": "Certificate", "certificate": issued.certificate_pem, "privateKey": "hello"}
    text = failure(box, small(cert=certificate))
    assert "/T/A/cert.key" in text
    assert "hello" not in text


def test_key_belongs_to_its_certificate(box: Box) -> None:
    authority, issued, _ = pki()
    other = authority.issue("other")
    mixed = {"class": "Certificate", "certificate": issued.certificate_pem, "privateKey": other.key_pem}
    server = {"class": "TLS_Server", "certificates": [{"certificate": "cert"}]}
    assert failure(box, small(cert=mixed, tls=server)).startswith("01070317:3: Profile /T/A/tls's key")


def test_generic_trust_must_exist(box: Box) -> None:
    bundle = box.config.get(SslCertificate, "/Common/ca-bundle.crt")
    assert bundle is not None
    box.config.commit(delete=[bundle])
    text = failure(box, small(tls={"class": "TLS_Client", "validateCertificate": True}))
    assert text == "01020036:3: The requested certificate file (/Common/ca-bundle.crt) was not found."


def test_one_of_several_server_ssl_profiles_is_the_default(box: Box) -> None:
    def declaration(default: bool) -> Json:
        one = {"class": "TLS_Client", "sniDefault": default}
        both = [{"use": "tls_one"}, {"use": "tls_two"}]
        return small(vs=service(clientTLS=both), tls_one=one, tls_two={"class": "TLS_Client"})

    assert "has 2 serverssl profiles of which 0 are the default" in failure(box, declaration(False))
    box.deploy(declaration(True))


def test_record_of_65521_bytes(box: Box) -> None:
    assert failure(box, small(dg=group(("a", "x" * 65_521)))).startswith("01070712:3: Max string size exceeded")
    box.deploy(small(dg=group(("a", "x" * 65_520))))


def test_only_rules_reach_into_other_partitions() -> None:
    config = Config()
    monitor = HttpsMonitor("/Other/m", "GET /", "HTTP/1.", 5, 16, None)
    config.commit(put=[monitor])
    with pytest.raises(TransactionError, match=r"01070726:3: Pool /T/p in partition T cannot reference monitor"):
        check(config, put=[Pool("/T/p", (), ("/Other/m",))])
    check(config, put=[Pool("/Other/p", (), ("/Other/m",))])
    config.commit(put=[Pool("/Other/p", (), ())])
    check(config, put=[Rule("/T/r", "when CLIENT_ACCEPTED { pool /Other/p }")])


def test_missing_references_are_refused() -> None:
    virtual = VirtualServer("/T/v", "10.0.0.1", 443, (), "/T/nope", None, (), None, None, None, None)
    with pytest.raises(TransactionError, match=r"01020036:3: The requested Pool \(/T/nope\) was not found\."):
        check(Config(), put=[virtual])
    with pytest.raises(TransactionError, match=r"The requested profile \(/T/nope\) was not found"):
        check(Config(), put=[HttpsMonitor("/T/m", "GET /", "", 5, 16, "/T/nope")])


def test_deletion_of_what_is_in_use_is_refused() -> None:
    config = Config()
    profile = ServerSsl("/T/s", None, None, False, None, "1.2", "1.3")
    config.commit(put=[profile, HttpsMonitor("/T/m", "GET /", "", 5, 16, "/T/s")])
    with pytest.raises(TransactionError, match=r"The profile \(/T/s\) cannot be deleted because it is in use by a"):
        check(config, delete=[profile])
    check(config, delete=[profile, HttpsMonitor("/T/m", "GET /", "", 5, 16, "/T/s")])


def test_same_path_of_another_class_is_another_object() -> None:
    config = Config()
    config.commit(put=[DataGroup("/T/p", "string")])
    with pytest.raises(TransactionError, match="Unable to find pool"):
        check(config, put=[Rule("/T/r", "when CLIENT_ACCEPTED { pool /T/p }")])


def test_tenant_that_failed_leaves_the_others_as_they_are(box: Box) -> None:
    box.make_credentials()
    box.deploy(quickstart())
    before = list(box.config.below("/quickstart/"))
    broken = quickstart()
    broken["quickstart"]["gateway"]["irule_public"] = encoded("when NOPE { }")
    broken["quickstart"]["gateway"]["access"] = group(("new", "1"))
    failure(box, broken)
    assert list(box.config.below("/quickstart/")) == before
    shown = box.request("GET", "/mgmt/shared/appsvcs/declare").json()
    assert shown["quickstart"] == quickstart()["quickstart"]
