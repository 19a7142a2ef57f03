"""The page of a rule, made from the registry: for ``lint --explain`` and for the docs."""

from __future__ import annotations

from bigip_sm.lint.findings import Rule


def page(rule: Rule) -> str:
    """One rule as Markdown, with a final newline."""
    lines = [f"# {rule.id}: {rule.title}", "", f"Level: **{rule.level}**", "", rule.why]
    if rule.mend:
        lines += ["", "## How to mend it", "", rule.mend]
    language = "yaml" if rule.id.startswith("BSM-G") else "tcl"
    for title, example in (("Breaks the rule", rule.bad), ("Does not", rule.good)):
        if example:
            lines += ["", f"## {title}", "", f"```{language}", example.strip("\n"), "```"]
    if rule.notes:
        lines += ["", "## How far it sees", "", rule.notes]
    if rule.id.startswith("BSM-R") and rule.id != "BSM-R000":
        allow = f"# bigip-sm: allow {rule.id} because <reason>"
        lines += ["", "## How to allow it", "", f"Above the command, or above the handler: `{allow}`"]
    return "\n".join(lines) + "\n"
