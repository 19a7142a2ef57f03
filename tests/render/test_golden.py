"""The worked example and what it renders to.

After a change that is meant: ``bigip-sm render declarations/quickstart/gateway.yaml -o declarations/quickstart``
"""

from pathlib import Path

from bigip_sm.render import files, render
from bigip_sm.spec import load

QUICKSTART = Path(__file__).parents[2] / "declarations" / "quickstart"


def test_the_quickstart_renders_to_its_golden_files() -> None:
    texts = files(render(load(QUICKSTART / "gateway.yaml")))
    for name, text in texts.items():
        assert (QUICKSTART / name).read_bytes() == text.encode(), f"{name} differs from the rendering"
    written = {str(path.relative_to(QUICKSTART)) for path in QUICKSTART.rglob("*") if path.is_file()}
    assert set(texts) <= written
    stale = {name for name in written - set(texts) if name.endswith((".json", ".tcl"))}
    assert not stale, "rendered files that the quickstart no longer has"
