"""The page about the rotator names commands and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from rotator.main import VERBS, cli

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "rotator.md").read_text("utf-8")
COMMANDS = re.findall(r"bigip-sm-rotator (?:once|run|status|revoke|install)\b[^`\n]*", PAGE)


def test_there_are_some() -> None:
    assert {command.split()[1] for command in COMMANDS} == {"once", "status", "revoke", "install"}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_their_options(command: str) -> None:
    words = shlex.split(command.split(">")[0])[1:]
    found = cli.get_command(click.Context(cli), words[0])
    assert found is not None
    found.make_context(words[0], words[1:])


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example(verb: str) -> None:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    assert f"bigip-sm-rotator {verb}" in (found.help or "")


def test_it_is_one_page() -> None:
    assert len(PAGE.splitlines()) < 100
