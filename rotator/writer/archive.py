"""The zip file that Lambda is given."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

MODULES = ("__init__.py", "function.py")
"""Modules of this package that run in Lambda."""

HANDLER = "rotator.writer.handler"
"""What is to be set as the function's handler."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same sources make the same bytes


def archive() -> bytes:
    """The zip file: this package and nothing else. Lambda has boto3."""
    contents = {"rotator/__init__.py": b""}
    for module in MODULES:
        contents[f"rotator/writer/{module}"] = files("rotator.writer").joinpath(module).read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16  # Lambda's user must be able to read them
            made.writestr(entry, content)
    return buffer.getvalue()
