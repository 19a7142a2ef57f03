"""Rules with stable ids over AS3 declarations and iRule text, and validation against F5's AS3 schema.

``lint_declaration`` finds what AS3 accepts and then drops, rewrites or defaults badly; ``lint_irule`` what TMM
refuses or does otherwise than it reads; ``lint_gateway`` what is unwise in a gateway.yaml; ``validate_schema`` what
AS3 itself would refuse. ``RULES`` lists every rule.
"""

from bigip_sm.lint.declaration import lint_declaration
from bigip_sm.lint.findings import RULES, Finding, Rule
from bigip_sm.lint.gateway import lint_gateway
from bigip_sm.lint.irule import lint_irule
from bigip_sm.lint.schema import cached_schema, find_schema, validate_schema

__all__ = [
    "RULES",
    "Finding",
    "Rule",
    "cached_schema",
    "find_schema",
    "lint_declaration",
    "lint_gateway",
    "lint_irule",
    "validate_schema",
]
