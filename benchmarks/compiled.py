"""The lab with its data plane compiled, in a folder that goes before everything else on Python's path.

    python benchmarks/compiled.py            prints the folder, after building it where it is older than the code
    python benchmarks/compiled.py --possible says whether that can be done here: exit code 0, or 1 and why not

``setup.py`` says what is compiled. The folder is build/compiled, with a name of its own for each Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / f"compiled-{sys.implementation.cache_tag}"


class NotCompiled(RuntimeError):
    """Why the data plane cannot be compiled here."""


def check() -> None:
    """Raises NotCompiled if a compiler or Python's headers are missing."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise NotCompiled(f"there is no C compiler {compiler}: install one (Debian, Ubuntu: sudo apt install gcc)")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        raise NotCompiled(f"{header} is missing: install Python's headers (Debian: sudo apt install python3-dev)")


def sources() -> Iterator[Path]:
    """Everything that is compiled or copied. Folders are among it, whose time tells that a file has gone."""
    yield from (ROOT / "setup.py", ROOT / "setup.cfg")
    for package in ("bigip_sm", "rotator", "irules", "templates"):
        yield from (path for path in (ROOT / package).glob("**/*") if "__pycache__" not in path.parts)


def build() -> Path:
    """Compile the data plane, unless that was done since its code changed; returns the folder. Raises NotCompiled."""
    check()
    stamp = FOLDER / ".stamp"
    if stamp.exists() and stamp.stat().st_mtime > max(source.stat().st_mtime for source in sources()):
        return FOLDER
    print("compiling the lab's data plane (a minute)", file=sys.stderr, flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    places = ["--build-base", str(FOLDER.with_suffix(".tmp")), "--build-lib", str(FOLDER)]
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build", *places],
        cwd=ROOT,
        env={**os.environ, "BIGIP_SM_COMPILE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise NotCompiled(f"setup.py ended with {done.returncode}: {done.stdout[-2000:]}")
    stamp.touch()
    return FOLDER


def compilable() -> bool:
    """Whether the data plane is compiled now; says why it cannot be."""
    try:
        build()
    except NotCompiled as error:
        print(f"the data plane is not measured compiled: {error}", file=sys.stderr)
        return False
    return True


@contextmanager
def compiled_first() -> Iterator[None]:
    """Processes that are begun meanwhile run the compiled data plane. Raises NotCompiled."""
    folder = str(build())
    sys.path.insert(0, folder)  # which is handed on to them
    try:
        yield
    finally:
        sys.path.remove(folder)


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--possible"]:
            check()
        else:
            print(build())
    except NotCompiled as error:
        sys.exit(f"the data plane cannot be compiled: {error}")
