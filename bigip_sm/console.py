"""What both command lines share: every failure becomes one clear line and an exit code, and JSON stays JSON.

Exit codes: 0 done, 1 error (usage errors too), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bigip_sm.errors import BigipSmError, RuleError, SpecError

LAB_PACKAGES = ("OpenSSL", "httptools", "moto", "openai")
"""What only the extra ``lab`` installs."""

INTERRUPTED = 130
"""What a shell reports for a program ended by Ctrl-C (128 + SIGINT)."""

F = TypeVar("F", bound=Callable[..., Any])


def run(cli: click.Command, program: str, argv: Sequence[str] | None = None) -> int:
    """Run a command line with ``argv`` (default: the process's) and return the exit code. Never raises.

    A command that returns a number gives the exit code; anything else is 0.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        result = cli.main(args=arguments, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BigipSmError as error:
        return _fail(arguments, _problems(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 1
    except click.UsageError as error:
        context = error.ctx.command_path if error.ctx else program
        return _fail(arguments, [{"message": f"{error.format_message()} (see: {context} --help)"}])
    except click.ClickException as error:
        return _fail(arguments, [{"message": error.format_message()}])
    except (click.Abort, KeyboardInterrupt):
        return _fail(arguments, [{"message": "interrupted"}], INTERRUPTED)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BrokenPipeError:
        # Who read the output is gone (`| head`). Point stdout elsewhere, or Python complains again as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if error.name not in LAB_PACKAGES:
            return _fail(arguments, [{"message": _unexpected(error, program)}])
        return _fail(arguments, [{"message": f"{error.name} is missing: pip install 'bigip-sm[lab]' brings the lab"}])
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(arguments, [{"message": f"{where}{error.strerror or type(error).__name__}"}])
    except Exception as error:
        return _fail(arguments, [{"message": _unexpected(error, program)}])


def output_option(function: F) -> F:
    """Add ``--output text|json``. JSON is one document on stdout, whatever the exit code."""
    return click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="text for people, json for programs (one document on stdout, whatever the exit code)",
    )(function)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--output json`` was asked for; read from the raw arguments, since parsing them may be what failed."""
    return "--output=json" in arguments or ("--output", "json") in itertools.pairwise(arguments)


def print_json(document: object) -> None:
    """Print one JSON document on stdout, indented, with a final newline."""
    click.echo(json.dumps(document, indent=2))


def progress(message: str) -> None:
    """Say on stderr what is being done; silent when stderr is not a terminal."""
    if sys.stderr.isatty():
        click.echo(message, err=True)


def _problems(error: BigipSmError) -> list[dict[str, object]]:
    if isinstance(error, SpecError) and error.problems:
        return [
            {"message": str(one), "file": one.file, "line": one.line, "path": one.path, "fix": one.fix}
            for one in error.problems
        ]
    if isinstance(error, RuleError):
        return [{"message": line} for line in str(error).splitlines()]
    return [{"message": str(error)}]


def _unexpected(error: Exception, program: str) -> str:
    """One line about a defect. Not the exception's own message: a library may have put a secret into it."""
    if os.environ.get("BIGIP_SM_DEBUG"):
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    here = Path(__file__).parent.parent
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(here)] or list(frames)
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return (
        f"unexpected {type(error).__name__} at {where}: this is a defect of {program}; "
        "run again with BIGIP_SM_DEBUG=1 to see the traceback"
    )


def _fail(arguments: Sequence[str], problems: Sequence[dict[str, object]], code: int = 1) -> int:
    """Say on stderr what is wrong, one line each, and as JSON on stdout too if JSON was asked for."""
    for problem in problems:
        message = " ".join(str(problem["message"]).split())
        click.echo(f"error: {message}", err=True)
    if wants_json(arguments):
        with contextlib.suppress(BrokenPipeError):
            print_json({"ok": False, "problems": list(problems)})
    return code
