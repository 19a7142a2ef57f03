"""iRules as ``/mgmt/tm/ltm/rule`` shows and takes them: the text is the property ``apiAnonymous``.

Facts: f5-sdk 3.0.21 (``f5/bigip/tm/ltm/rule.py``), the module ``bigip_irule`` of f5networks.f5_modules. TMOS loads
the text when the object is made or changed, and refuses what does not load.
"""

from __future__ import annotations

from typing import Any

from bigip_sm.lab.bigip.calls import identity, new_path, refuse_unknown
from bigip_sm.lab.bigip.objects import Rule
from bigip_sm.lab.bigip.replies import Json, icrd_refusal

COLLECTION = "/mgmt/tm/ltm/rule"
KIND = "tm:ltm:rule:rulestate"
_SETTABLE = ("name", "partition", "subPath", "fullPath", "kind", "generation", "selfLink", "apiAnonymous")


def to_json(rule: Rule) -> Json:
    """An iRule as iControl REST shows it; an empty text is left out."""
    shown = identity(rule.path, KIND, COLLECTION)
    return {**shown, "apiAnonymous": rule.text} if rule.text else shown


def created(body: Json) -> Rule:
    """The rule of a POST. Raises Refusal (400)."""
    refuse_unknown(body, _SETTABLE)
    return Rule(new_path(body), _text(body.get("apiAnonymous", "")))


def changed(rule: Rule, body: Json) -> Rule:
    """The rule after a PATCH or a PUT, which both leave a text that they do not name as it is. Raises Refusal."""
    refuse_unknown(body, _SETTABLE)
    return Rule(rule.path, _text(body.get("apiAnonymous", rule.text)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise icrd_refusal(400, 'invalid property value "apiAnonymous"', 26214401)
    return value
