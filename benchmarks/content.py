"""What reading JSON and inspecting texts costs in the lab's Tcl: CPU ms per 100 KB, for texts of many kinds.

    python benchmarks/content.py [--size 100000]

Beside texts as callers send them stand some that were made to be slow. The budget is that of the design. TMM is
compiled code around the same Tcl, so only comparisons between these figures mean something for a real BIG-IP.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from content_kit import SPEC
from rule_procedures import Procedures

from bigip_sm.render.guards import phrase_records
from bigip_sm.render.irule import render_irule
from bigip_sm.spec import load

BUDGET = 20.0
"""CPU ms per 100 KB, for reading and for each guard."""

PROSE = "The quick brown fox jumps over the lazy dog, and nobody asked why. "


def chat(size: int) -> str:
    """A chat with messages of usual length."""
    message = {"role": "user", "content": PROSE * 4}
    return json.dumps({"model": "m", "messages": [message] * (size // len(json.dumps(message)))})


def wrapped(piece: str) -> Callable[[int], str]:
    """A JSON object whose only string repeats a text."""
    return lambda size: json.dumps({"a": piece * (size // len(json.dumps(piece)[1:-1]))})


def listed(item: str) -> Callable[[int], str]:
    """A JSON object with a list that repeats an item, as it is."""
    return lambda size: '{"a":[' + ",".join([item] * (size // (len(item) + 1))) + "]}"


TEXTS: dict[str, Callable[[int], str]] = {
    "one long text": wrapped(PROSE),
    "chat": chat,
    "numbers": listed("[0.12345,1.5,2,3.25]"),
    "pixels": listed("[[1,2,3],[4,5,6]]"),
    "short strings": listed('"abcdefgh"'),
    "small objects": listed('{"a":1}'),
    "text in \\u escapes": wrapped("\u4f60\u597d"),
    "letters in \\u escapes": lambda size: '{"a":"' + "\\u0041" * (size // 6) + '"}',
    "escaped quotes": wrapped('"\\'),
    "empty lists": listed("[]"),
    "deep lists": listed("[" * 20 + "]" * 20),
    "emails": wrapped("ab@cd.io "),
    "half emails": wrapped("ab@"),
    "cards with a wrong digit": wrapped("4111 1111 1111 1112 "),
    "phones": wrapped("212-555-0100 "),
    "digits": wrapped("2" * 40 + " "),
    "hashes": wrapped("aB3/" * 10 + " "),
}
PII = ("EMAIL", "PHONE", "SSN", "CREDIT_CARD")
DLP = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY", "ARN")
WORK = ("read", "view", "score", "pii", "dlp", "redact")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="CPU ms per 100 KB of JSON in the lab's Tcl.")
    parser.add_argument("--size", type=int, default=100_000, help="bytes of each text (default: 100000)")
    size = parser.parse_args().size
    spec = load(Path("gateway.yaml"), SPEC)
    phrases = phrase_records(spec)

    def matching(*words: str) -> tuple[str, ...]:
        return tuple(record["value"] for record in phrases if record["key"] in words[-3])

    procedures = Procedures(render_irule(spec, "public"), {"class": matching})
    print(f"CPU ms per 100 KB at {size} bytes (budget {BUDGET:.0f})")
    print(f"{'':<26}" + "".join(f"{name:>9}" for name in WORK))
    for name, make in TEXTS.items():
        text = make(size).encode()
        print(f"{name:<26}" + "".join(f"{seconds * 1e8 / len(text):>9.1f}" for seconds in costs(procedures, text)))


def costs(procedures: Procedures, text: bytes) -> list[float]:
    """CPU seconds of each kind of work on a text."""
    view = procedures.run("bsm_view", text) or ""
    return [
        spent(lambda: procedures.run("bsm_json_read", text, "32", "1000")),
        spent(lambda: procedures.run("bsm_view", text)),
        spent(lambda: procedures.run("bsm_score", view)),
        spent(lambda: [procedures.run("bsm_find", kind, view, "0") for kind in PII]),
        spent(lambda: [procedures.run("bsm_find", kind, view, "0") for kind in DLP]),
        spent(lambda: procedures.run("bsm_redact_json", text, ("SSN", "AWS_ACCESS_KEY_ID"))),
    ]


def spent(work: Callable[[], object]) -> float:
    """The least CPU time of three runs, in seconds."""
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best


if __name__ == "__main__":
    main()
