"""The JSON Schema of gateway.yaml, held against the loader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bigip_sm.errors import SpecError
from bigip_sm.spec import json_schema, load
from bigip_sm.spec.positions import parse

CASES = Path(__file__).parent / "cases"
QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart" / "gateway.yaml"


def data(path: Path) -> Any:
    return parse(path.name, path.read_text("utf-8")).root.value


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_schema_with_a_name() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:bigip-sm:gateway:1"
    assert schema["title"] == "gateway.yaml"
    assert schema["additionalProperties"] is False


def test_it_is_the_same_every_time() -> None:
    program = "import json; from bigip_sm.spec import json_schema; print(json.dumps(json_schema()))"
    ran = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert ran[0] == ran[1] == json.dumps(json_schema()) + "\n"


def test_what_only_the_loader_writes_is_not_in_it() -> None:
    pem = json_schema()["$defs"]["PemFile"]
    assert list(pem["properties"]) == ["file"]
    assert pem["additionalProperties"] is False


def test_every_key_is_described() -> None:
    schema = json_schema()
    for name, model in [("Spec", schema), *schema["$defs"].items()]:
        for key, value in model.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


def good_cases() -> list[str]:
    return sorted(path.stem for path in CASES.glob("*.errors") if not path.read_text("utf-8"))


@pytest.mark.parametrize("path", [QUICKSTART, *(CASES / f"{name}.yaml" for name in good_cases())], ids=lambda p: p.stem)
def test_what_the_loader_takes_it_takes(path: Path) -> None:
    load(path)
    assert list(validator().iter_errors(data(path))) == []


@pytest.mark.parametrize(
    "name",
    [
        "version", "version_text", "missing_keys", "missing_everything", "unknown_keys", "names", "hostnames",
        "minimum_version_number", "texts_for_other_kinds", "empty_parts", "quantities", "port_out_of_range",
        "certificate_path", "certificate_text_given", "key_file", "identity_types", "identity_wrong_keys",
        "source_keys", "arn", "endpoint_name", "kind", "region_name", "path_relative", "path_query", "yaml_list",
        "owner_characters",
    ],
)  # fmt: skip
def test_wrong_shapes_are_wrong_for_both(name: str) -> None:
    path = CASES / f"{name}.yaml"
    with pytest.raises(SpecError):
        load(path)
    assert list(validator().iter_errors(data(path)))
