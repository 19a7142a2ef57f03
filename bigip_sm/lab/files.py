"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path


def private_file(path: Path, text: str) -> None:
    """Write ``text`` (ASCII) to a new file with mode 0600, replacing what was there. Raises OSError."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
