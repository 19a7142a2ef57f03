"""The Jinja2 templates of AS3 classes, one per class.

A template writes JSON, and every value enters it through ``tojson``; the result is parsed again at once, so a template
can neither emit broken JSON nor let a value become structure.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def fill(template: str, **values: Any) -> dict[str, Any]:
    """The JSON object that ``template`` (a name without ``.json.j2``) makes of ``values``.

    A value that the template needs and does not get is a programming error (jinja2.UndefinedError).
    """
    filled: dict[str, Any] = json.loads(_template(template).render(values))
    return filled


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.json.j2")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader("bigip_sm.templates", "."), undefined=StrictUndefined, autoescape=True)
