"""The worked examples and what they render to.

After a change that is meant: ``bigip-sm render declarations/NAME/gateway.yaml -o declarations/NAME``
"""

from pathlib import Path

import pytest

from bigip_sm.render import files, render
from bigip_sm.spec import load

EXAMPLES = sorted(path.parent for path in (Path(__file__).parents[2] / "declarations").glob("*/gateway.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_renders_to_its_golden_files(example: Path) -> None:
    texts = files(render(load(example / "gateway.yaml")))
    for name, text in texts.items():
        assert (example / name).read_bytes() == text.encode(), f"{name} differs from the rendering"
    written = {str(path.relative_to(example)) for path in example.rglob("*") if path.is_file()}
    assert set(texts) <= written
    stale = {name for name in written - set(texts) if name.endswith((".json", ".tcl"))}
    assert not stale, "rendered files that the example no longer has"


def test_there_are_examples() -> None:
    assert {"enterprise", "mlflow", "multi-region", "quickstart", "tensorflow"} <= {path.name for path in EXAMPLES}
