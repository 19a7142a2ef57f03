"""`bigip-sm schema`: the schema of gateway.yaml, and keeping F5's only if it is F5's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bigip_sm.commands import schema
from bigip_sm.commands.main import main

Capture = pytest.CaptureFixture[str]
QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"
LIKE_F5S = json.dumps({"$id": schema.IDENTIFIER, "definitions": {"ADC": {}}}).encode()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache directory."""
    monkeypatch.delenv("BIGIP_SM_AS3_SCHEMA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that counts as the tested one."""
    monkeypatch.setattr(schema, "SHA256", hashlib.sha256(LIKE_F5S).hexdigest())
    path = tmp_path / "as3-schema.json"
    path.write_bytes(LIKE_F5S)
    return path


def test_the_schema_of_gateway_yaml_knows_its_keys(capsys: Capture) -> None:
    assert main(["schema", "spec"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"version", "gateway", "listeners", "routes"} <= set(document["properties"])


def test_the_quickstart_fits_the_schema_that_editors_use(capsys: Capture) -> None:
    import jsonschema
    import yaml

    assert main(["schema", "spec"]) == 0
    document = json.loads(capsys.readouterr().out)
    # As JSON, because YAML's dates and an editor's schema only meet there.
    gateway = json.loads(json.dumps(yaml.safe_load(QUICKSTART.read_text("utf-8")), default=str))
    jsonschema.Draft202012Validator(document).validate(gateway)
    gateway["colour"] = "blue"
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        jsonschema.Draft202012Validator(document).validate(gateway)


def test_a_file_is_kept_where_validate_looks(cache: Path, tested: Path, capsys: Capture) -> None:
    from bigip_sm.lint import find_schema

    assert find_schema() is None
    assert main(["schema", "fetch", "--from", str(tested)]) == 0
    kept = find_schema()
    assert kept is not None
    assert kept.is_relative_to(cache)
    assert kept.read_bytes() == LIKE_F5S
    assert str(kept) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"<html>", "not JSON"), (b"[]", "not F5's AS3 schema"), (b'{"$id": "urn:x"}', "not F5's AS3 schema")],
)
def test_anything_else_is_not_kept(cache: Path, tmp_path: Path, capsys: Capture, content: bytes, expected: str) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(content)
    assert main(["schema", "fetch", "--from", str(other), "--any-version"]) == 1
    assert f"error: {other}: {expected}" in capsys.readouterr().err
    assert not cache.exists()


def test_another_version_needs_the_option(cache: Path, tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(LIKE_F5S)
    assert main(["schema", "fetch", "--from", str(other)]) == 1
    assert "--any-version" in capsys.readouterr().err
    assert not cache.exists()
    assert main(["schema", "fetch", "--from", str(other), "--any-version"]) == 0


def test_only_https_is_fetched(cache: Path, capsys: Capture) -> None:
    assert main(["schema", "fetch", "--url", "http://example.invalid/as3-schema.json"]) == 1
    assert "only https addresses are fetched" in capsys.readouterr().err


def test_one_source_only(tested: Path, capsys: Capture) -> None:
    assert main(["schema", "fetch", "--from", str(tested), "--url", "https://example.invalid/x"]) == 1
    assert "exclude each other" in capsys.readouterr().err


def test_an_address_that_answers_nothing_names_the_other_way(
    cache: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    # Port 9 of loopback: refused at once, no network needed.
    assert main(["schema", "fetch", "--url", "https://127.0.0.1:9/as3-schema.json"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("use: bigip-sm schema fetch --from FILE")
