"""The format of the credential records: what is written is read back, anything else is refused without being shown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigip_sm.bigip.device import DataGroup, Record, split_path
from bigip_sm.bigip.records import BearerRecord, Credential, Meta, SigningRecord, decode, decode_all
from bigip_sm.errors import RecordError

REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"])
TOKENS = st.text(string.ascii_letters + string.digits + "+/=_-", min_size=1, max_size=200)
TIMES = st.integers(1, 99_999_999_999)
SIGNING = st.builds(
    SigningRecord,
    service=st.sampled_from(["sagemaker", "execute-api", "sagemaker-mlflow"]),
    region=REGIONS,
    date=st.dates().map(lambda date: date.strftime("%Y%m%d").zfill(8)),
    access_key_id=st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=32),
    signing_key=st.binary(min_size=32, max_size=32),
    not_after=TIMES,
    session_token=TOKENS,
)
BEARERS = st.builds(BearerRecord, region=REGIONS, not_after=TIMES, token=TOKENS)
METAS = st.builds(
    Meta,
    generation=st.integers(1, 99_999_999_999_999),
    issued_at=TIMES,
    expires_at=TIMES,
    rotator=st.text(string.ascii_letters + string.digits + "_.:@-", min_size=1, max_size=128),
)
CREDENTIALS = st.one_of(SIGNING, BEARERS, METAS)

KEY = "ab" * 32
GOOD = {
    "sigv4/sagemaker/us-east-1/20261121": f"1|ASIAIOSFODNN7EXAMPLE|{KEY}|1795237200|FwoGZXIv+/=",
    "bearer/us-east-1": "1|1795237200|sagemaker-api-key-YWJj",
    "meta": "1|1795233600000|1795233600|1795237200|host-1",
}


def test_the_format_is_the_documented_one() -> None:
    signing = SigningRecord(
        "sagemaker", "us-east-1", "20261121", "ASIAIOSFODNN7EXAMPLE", bytes.fromhex(KEY), 1795237200, "FwoGZXIv+/="
    )
    bearer = BearerRecord("us-east-1", 1795237200, "sagemaker-api-key-YWJj")
    meta = Meta(1795233600000, 1795233600, 1795237200, "host-1")
    assert {record.name: record.data for record in (one.encode() for one in (signing, bearer, meta))} == GOOD
    assert set(decode_all(Record(*item) for item in GOOD.items())) == {signing, bearer, meta}


@given(CREDENTIALS)
def test_what_is_encoded_is_decoded(credential: Credential) -> None:
    assert decode(credential.encode()) == credential


@given(st.text(max_size=60), st.text(max_size=200))
def test_what_is_decoded_is_encoded_again(name: str, data: str) -> None:
    record = Record(name, data)
    try:
        credential = decode(record)
    except RecordError:
        return
    assert credential.encode() == record


@given(CREDENTIALS, st.data())
def test_damage_is_seen_or_harmless(credential: Credential, data: st.DataObject) -> None:
    """A record with one character changed is refused, or is a different record of the same exact form."""
    record = credential.encode()
    at = data.draw(st.integers(0, len(record.data) - 1))
    damaged = Record(record.name, record.data[:at] + data.draw(st.characters(codec="utf-8")) + record.data[at + 1 :])
    try:
        read = decode(damaged)
    except RecordError:
        return
    assert read.encode() == damaged


@pytest.mark.parametrize(
    "data",
    [
        "",
        "1",
        "2|ASIAIOSFODNN7EXAMPLE|" + KEY + "|1795237200|token",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|1795237200|tok|en",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|1795237200|",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY.upper() + "|1795237200|token",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY[2:] + "|1795237200|token",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|-5|token",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|0795237200|token",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|1795237200|token\n",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|1795237200|to ken",
        "1|ASIAIOSFODNN7EXAMPLE|" + KEY + "|1795237200|" + "t" * 70_000,
        "1|ASIA|" + KEY + "|1795237200|token",
    ],
)
def test_bad_signing_data(data: str) -> None:
    name = "sigv4/sagemaker/us-east-1/20261121"
    decode(Record(name, GOOD[name]))
    with pytest.raises(RecordError) as caught:
        decode(Record(name, data))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "sigv4/sagemaker/us-east-1",
        "sigv4/sagemaker/us-east-1/20261121/x",
        "sigv4/sagemaker/us-east-1/20261332",
        "sigv4/SageMaker/us-east-1/20261121",
        "sigv4/sagemaker/nowhere/20261121",
        "sigv4",
        "other/us-east-1",
        "",
    ],
)
def test_bad_signing_name(name: str) -> None:
    with pytest.raises(RecordError):
        decode(Record(name, GOOD["sigv4/sagemaker/us-east-1/20261121"]))


@pytest.mark.parametrize("name", ["meta/x", "meta/"])
def test_bad_meta_name(name: str) -> None:
    with pytest.raises(RecordError):
        decode(Record(name, GOOD["meta"]))


def test_a_bar_in_a_token_or_key_id_is_refused() -> None:
    with pytest.raises(RecordError):
        SigningRecord("sagemaker", "us-east-1", "20261121", "ASIAIOSFODNN7EXAMPLE", b"k" * 32, 1, "a|b").encode()
    with pytest.raises(RecordError):
        SigningRecord("sagemaker", "us-east-1", "20261121", "ASIAIOSFODNN|EXAMPLE", b"k" * 32, 1, "ab").encode()
    with pytest.raises(RecordError):
        BearerRecord("us-east-1", 1, "a|b").encode()


@given(CREDENTIALS)
def test_secrets_are_not_shown(credential: Credential) -> None:
    shown = repr(credential) + repr(credential.encode())
    if isinstance(credential, SigningRecord):
        assert credential.signing_key.hex() not in shown
        assert f"session_token={credential.session_token!r}" not in shown
    if isinstance(credential, BearerRecord):
        assert f"token={credential.token!r}" not in shown
    assert credential.encode().data not in shown


def test_data_group_keeps_records_sorted_and_unique() -> None:
    group = DataGroup("/bigip_sm/a.b", records=(Record("b"), Record("a", "1")))
    assert [record.name for record in group.records] == ["a", "b"]
    with pytest.raises(ValueError, match="given twice"):
        DataGroup("/bigip_sm/a.b", records=(Record("a"), Record("a", "1")))


@pytest.mark.parametrize("path", ["", "x", "/x", "/x/", "//x", "/a b/c", "/a/~b", "/a/b\n"])
def test_bad_paths(path: str) -> None:
    with pytest.raises(ValueError, match="full path"):
        split_path(path)


def test_split_path() -> None:
    assert split_path("/bigip_sm/a.b") == ("bigip_sm", "", "a.b")
    assert split_path("/T/app/folder/x") == ("T", "app/folder", "x")
