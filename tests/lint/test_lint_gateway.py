"""Rules over gateway.yaml itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from lint_cases import CASES

from bigip_sm.commands.main import main
from bigip_sm.lint import RULES, lint_gateway
from bigip_sm.spec import load
from bigip_sm.spec.chat import JUMPSTART

OF_GATEWAYS = sorted(rule for rule in RULES if rule.startswith("BSM-G"))
BAD, GOOD = CASES / "BSM-G001" / "bad.yaml", CASES / "BSM-G001" / "good.yaml"
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("rule", OF_GATEWAYS)
def test_a_bad_gateway_breaks_its_rule_and_no_other_and_a_good_one_none(rule: str) -> None:
    found = lint_gateway(load(CASES / rule / "bad.yaml"))
    assert [(one.rule, one.level) for one in found] == [(rule, RULES[rule].level)]
    assert lint_gateway(load(CASES / rule / "good.yaml")) == []


@pytest.mark.parametrize("rule", OF_GATEWAYS)
def test_the_examples_of_the_page_are_yaml_and_differ(rule: str) -> None:
    bad, good = yaml.safe_load(RULES[rule].bad), yaml.safe_load(RULES[rule].good)
    assert bad.keys() == good.keys()
    assert bad != good


@pytest.mark.parametrize("alias", sorted(JUMPSTART))
def test_only_models_of_70_billion_parameters_need_patience(tmp_path: Path, alias: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(BAD.read_text("utf-8").replace("jumpstart-llama-3-3-70b", alias), "utf-8")
    found = lint_gateway(load(file))
    assert [one.where for one in found] == (["upstreams.llama.timeout"] if alias.endswith("-70b") else [])


def test_an_upstream_that_no_route_leads_to_is_passed_over_and_each_version_is_looked_at(tmp_path: Path) -> None:
    text = BAD.read_text("utf-8")
    llama = text[text.index("  llama:\n") : text.index("routes:\n")]
    file = tmp_path / "gateway.yaml"
    both = text.replace("routes:\n", llama.replace("  llama:", "  newer:") + "routes:\n")
    file.write_text(both, "utf-8")
    assert [one.where for one in lint_gateway(load(file))] == ["upstreams.llama.timeout"]
    versions = "upstreams: [{name: llama, weight: 50}, {name: newer, weight: 50}]"
    file.write_text(both.replace("    upstream: llama\n", f"    {versions}\n"), "utf-8")
    assert [one.where for one in lint_gateway(load(file))] == ["upstreams.llama.timeout", "upstreams.newer.timeout"]


def test_validate_warns_and_still_calls_the_gateway_valid(capsys: Capture) -> None:
    assert main(["validate", str(BAD), "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert [(one["rule"], one["level"], one["where"]) for one in report["findings"]] == [
        ("BSM-G001", "warning", "upstreams.llama.timeout")
    ]
    assert "119s is short for jumpstart-llama-3-3-70b" in report["findings"][0]["message"]
    assert main(["validate", str(GOOD)]) == 0
    assert "warning" not in capsys.readouterr().out


def test_lint_finds_it_too_and_can_ignore_and_explain_it(capsys: Capture) -> None:
    words = ["lint", str(BAD), "--fail-level", "warning"]
    assert main(words) == 2
    assert f"{BAD}:upstreams.llama.timeout: BSM-G001 119s" in capsys.readouterr().out
    assert main([*words, "--ignore", "BSM-G"]) == 0
    capsys.readouterr()
    assert main(["lint", "--explain", "BSM-G001"]) == 0
    assert "timeout: 120s" in capsys.readouterr().out
