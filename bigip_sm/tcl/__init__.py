"""The Tcl of TMM as text: words, expressions, events and commands, for whoever reads iRules without running them.

Nothing here depends on the lab or on the linter, which both read rules with it.
"""
