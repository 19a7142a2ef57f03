"""What `bigip-sm client examples` prints runs as it is: curl, Python and Node.js against the gateway in the lab.

Only the way to the gateway is the test's: name and port of gateway.yaml lead to the lab's listener.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from callers_kit import API_KEY, Callers
from examples_kit import environment, run
from gateway_kit import QUICKSTART, Gateway

from bigip_sm.commands.main import main
from bigip_sm.lab.aws.runtime import ACCEPTED
from bigip_sm.render.examples import LANGUAGES, Language, example


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("route", ["churn", "chat"])
def test_with_a_client_certificate(quickstart: Gateway, tmp_path: Path, language: Language, route: str) -> None:
    files = quickstart.lab.client("alice")
    variables = environment(quickstart, tmp_path)
    variables |= {"CLIENT_CERT": str(files.certificate), "CLIENT_KEY": str(files.key)}
    before = len(quickstart.seen())
    done = run(language, example(quickstart.stage.spec, route, language), variables, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    (arrived,) = quickstart.seen()[before:]
    assert arrived.verdict == ACCEPTED


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("identity", ["partner", "cloud", "batch"])
def test_with_a_key_a_token_and_by_network(callers: Callers, tmp_path: Path, language: Language, identity: str) -> None:
    variables = environment(callers, tmp_path) | {"API_KEY": API_KEY, "TOKEN": callers.cloud.token()}
    text = example(callers.stage.spec, "open", language, identity)
    assert API_KEY not in text
    before = len(callers.seen())
    done = run(language, text, variables, tmp_path)
    if identity == "batch":  # nobody here is in its network
        assert done.returncode != 0
        assert "unauthenticated" in done.stdout + done.stderr
        return
    assert (done.returncode, done.stderr) == (0, "")
    (arrived,) = callers.seen()[before:]
    assert json.loads(arrived.body) == {"instances": [[1.0, 2.0, 5.0]]}
    assert json.loads(done.stdout)["received_bytes"] == len(arrived.body)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_is_an_error_that_shows_its_reason(callers: Callers, tmp_path: Path, language: Language) -> None:
    variables = environment(callers, tmp_path) | {"API_KEY": "another-key-that-nobody-knows-of-here"}
    done = run(language, example(callers.stage.spec, "open", language, "partner"), variables, tmp_path)
    assert done.returncode != 0
    assert "api-key-unknown" in done.stdout + done.stderr


def test_examples_are_written_for_every_route_and_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "examples", str(QUICKSTART), "-o", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("chat.js", "chat.py", "chat.sh"),
        *("churn.js", "churn.py", "churn.sh"),
    ]
    capsys.readouterr()
    assert (
        main(["client", "examples", str(QUICKSTART), "--route", "chat", "--language", "curl", "--output", "json"]) == 0
    )
    assert list(json.loads(capsys.readouterr().out)) == ["chat.sh"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--route", "chta"], "there is no route chta; there are churn, chat"),
        (["--route", "chat", "--identity", "batch"], "no caller of batch is allowed; it has callers of staff"),
    ],
)
def test_what_does_not_exist_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "examples", str(QUICKSTART), *arguments]) == 1
    assert message in capsys.readouterr().err
