"""Validation against F5's schema: findings one can read, and the same verdict as a plain validator's."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from bigip_sm.errors import SchemaError
from bigip_sm.lint import cached_schema, find_schema, validate_schema
from bigip_sm.lint.formats import format_checker, is_bigip, is_hostname, is_ip, is_pointer

CASES = Path(__file__).parent / "cases"


def declaration(**items: Any) -> dict[str, Any]:
    application = {"class": "Application", "template": "generic", **items}
    return {"class": "ADC", "schemaVersion": "3.49.0", "sample": {"class": "Tenant", "app": application}}


@pytest.mark.parametrize(
    ("item", "where", "message"),
    [
        ({"class": "iRule", "iRule": "x", "foo": 1}, "/foo", "no such property here; remove it"),
        ({"class": "iRule"}, "", "iRule is missing; add it"),
        ({"class": "HTTP_Profile", "maxHeaderCount": 5000}, "/maxHeaderCount", "5000 is above 1024"),
        ({"class": "HTTP_Profile", "xForwardedFor": "no"}, "/xForwardedFor", '"no" is not of type boolean'),
        (
            {"class": "HTTP_Profile", "pipelineAction": "refuse"},
            "/pipelineAction",
            '"refuse" is not one of allow, reject, pass-through',
        ),
        (
            {"class": "TLS_Client", "sendSNI": "a_b.example.com"},
            "/sendSNI",
            '"a_b.example.com" is not a valid hostname',
        ),
        (
            {"class": "Data_Group", "keyDataType": "ip", "records": [{"key": "10.0.0.0/33"}]},
            "/records/0/key",
            '"10.0.0.0/33" is not a valid f5ip',
        ),
    ],
)
def test_findings_name_the_place_and_the_fault(
    as3_schema: Path, item: dict[str, Any], where: str, message: str
) -> None:
    found = validate_schema(declaration(item=item), as3_schema)
    assert (f"/sample/app/item{where}", message) in [(one.where, one.message) for one in found]


def test_a_newer_schema_version_and_a_bad_id(as3_schema: Path) -> None:
    found = validate_schema({**declaration(), "schemaVersion": "3.99.0", "id": "a b"}, as3_schema)
    assert [one.where for one in found] == ["/id", "/schemaVersion"]


def test_misplaced_properties_of_open_classes(as3_schema: Path) -> None:
    pool = {"class": "Pool", "members": [{"servicePort": 443, "serverAddresses": ["192.0.2.1"], "sendSNI": "x"}]}
    group = {"class": "Data_Group", "keyDataType": "string", "records": [], "bogus": 1}
    found = validate_schema(declaration(pool=pool, group=group), as3_schema)
    assert [(one.where, one.message.split(", ")[1]) for one in found] == [
        ("/sample/app/group/bogus", "so AS3 refuses it; remove it"),
        ("/sample/app/pool/members/0/sendSNI", "so AS3 ignores it; remove it"),
    ]


REPLACEMENTS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 1, -1, "", "x y", "Pool", "iRule", "https", [], {}, {"bigip": "/Common/x"}]
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_tables_of_cases_change_no_verdict(as3_schema: Path, plain: Draft7Validator, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(sorted(CASES.glob("BSM-D*/good.json"))))
    changed = copy.deepcopy(json.loads(case.read_text(encoding="utf-8")))
    target: Any = changed["sample"]["app"]
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [key for key, value in _entries(target) if isinstance(value, (dict, list)) and value]
        if not inner:
            break
        target = target[data.draw(st.sampled_from(inner))]
    key = data.draw(st.sampled_from([key for key, _ in _entries(target)]))
    if data.draw(st.booleans()):
        target[key] = data.draw(REPLACEMENTS)
    else:
        del target[key]
    refused = any(one.rule == "BSM-S001" for one in validate_schema(changed, as3_schema))
    assert refused != plain.is_valid(changed)


def _entries(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else list(enumerate(value))


@pytest.fixture(scope="session")
def plain(as3_schema: Path) -> Draft7Validator:
    document = json.loads(as3_schema.read_text(encoding="utf-8"))
    root = {**document["definitions"]["ADC"], "definitions": document["definitions"]}
    return Draft7Validator(root, format_checker=format_checker())


def test_the_schema_is_found_by_variable_then_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    assert find_schema() is None
    cached_schema().parent.mkdir(parents=True)
    cached_schema().write_text("{}")
    assert find_schema() == tmp_path / "bigip-sm" / "as3-schema.json"
    named = tmp_path / "named.json"
    monkeypatch.setenv("BIGIP_SM_AS3_SCHEMA", str(named))
    with pytest.raises(SchemaError, match="no such file"):
        find_schema()
    named.write_text("{}")
    assert find_schema() == named


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"definitions": {}}', '{"definitions": {"ADC": {}, "Application": 1}}']
)
def test_a_file_that_is_not_the_schema(tmp_path: Path, content: str) -> None:
    path = tmp_path / "schema.json"
    path.write_text(content)
    with pytest.raises(SchemaError, match=r"schema\.json: not (JSON|F5's AS3 schema); name a copy"):
        validate_schema({}, path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="No such file"):
        validate_schema({}, tmp_path / "none.json")


@pytest.mark.parametrize("value", ["", "any", "any6", "192.0.2.1", "192.0.2.0/24", "10.0.0.1%2/8", "2001:db8::1%1/64"])
def test_addresses(value: str) -> None:
    assert is_ip(value)


@pytest.mark.parametrize(
    "value", ["x", "192.0.2.256", "192.0.2.1/33", "10.0.0.1%99999", "2001:db8::1/129", "10.0.0.1/"]
)
def test_what_is_no_address(value: str) -> None:
    assert not is_ip(value)


def test_names_and_pointers() -> None:
    assert is_hostname("runtime.sagemaker.us-east-1.amazonaws.com")
    assert is_hostname("none")
    assert not any(is_hostname(value) for value in ("", "a..b", "-a", "a_b", "a.b.", "x" * 64))
    assert is_bigip("/Common/models.crt")
    assert not any(is_bigip(value) for value in ("Common/x", "/Common/a{b", '/Common/a"', "/"))
    assert is_pointer("@/pool_web")
    assert not is_pointer("pool web")
