"""The worked examples and what they render to.

After a change that is meant: ``bigip-sm render declarations/X/gateway.yaml -o declarations/X``
"""

from pathlib import Path

import pytest

from bigip_sm.render import files, render
from bigip_sm.spec import load

DECLARATIONS = Path(__file__).parents[2] / "declarations"


@pytest.mark.parametrize("name", ["quickstart", "multi-region"])
def test_an_example_renders_to_its_golden_files(name: str) -> None:
    folder = DECLARATIONS / name
    texts = files(render(load(folder / "gateway.yaml")))
    for file, text in texts.items():
        assert (folder / file).read_bytes() == text.encode(), f"{file} differs from the rendering"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(texts) <= written
    stale = {file for file in written - set(texts) if file.endswith((".json", ".tcl"))}
    assert not stale, "rendered files that the example no longer has"
