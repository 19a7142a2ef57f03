"""The Tcl text that surrounds the iRules of one TMM: what an interpreter evaluates once, and templates."""

from __future__ import annotations

HIDDEN = frozenset(
    {"after", "cd", "exec", "exit", "fconfigure", "file", "glob", "interp", "load", "open"}
    | {"pid", "pwd", "socket", "source", "unload", "vwait"}
)
"""Commands that reach outside; TMM refuses them when a rule is loaded, here they are gone at run time as well."""

BOOTSTRAP = r"""
namespace eval ::static {}
namespace eval ::rules {}
namespace eval ::virtuals {}
namespace eval ::connections {}
namespace eval ::tmm {variable rule {}}
namespace ensemble configure ::clock -map [dict replace [namespace ensemble configure ::clock -map] \
    seconds ::tmm::seconds clicks ::tmm::clicks]
proc ::unknown {name args} {
    if {[regexp {^::rules::[0-9]+::p\.(.*)$} $name -> short]} {
        tailcall [::tmm::library $short] {*}$args
    }
    return -code error "invalid command name \"$name\""
}
proc ::call {name args} {
    tailcall ::rules::${::tmm::rule}::call $name {*}$args
}
proc ::tmm::pause {seconds} {
    set rule $::tmm::rule
    ::yield $seconds
    set ::tmm::rule $rule
    return
}
proc ::after {first args} {
    if {![llength $args] && $first ne "info"} {
        ::tmm::pause [::tmm::delay $first]
        return
    }
    ::tmm::after $first {*}$args
}
proc ::table {args} {
    if {[::tmm::away {*}$args]} {
        ::tmm::pause 0
    }
    ::tmm::table {*}$args
}
proc ::tmm::within {side script} {
    set before [::tmm::side $side]
    set code [catch {uplevel 2 $script} result options]
    ::tmm::side $before
    dict incr options -level
    return -options $options $result
}
proc ::clientside {script} {::tmm::within client $script}
proc ::serverside {script} {::tmm::within server $script}
"""
"""What stands around the commands: the clock of the data plane, ``call``, and the commands that suspend a rule."""

PROCEDURES = frozenset({"after", "call", "clientside", "serverside", "table"})
"""Commands of rules that are Tcl procedures here: a Python callback can neither suspend nor run a script."""

RULE = r"""
namespace eval ::rules::%(number)d {}
proc ::rules::%(number)d::call {name args} {
    tailcall ::rules::%(number)d::p.$name {*}$args
}
"""
"""``call`` as the procedures of one rule see it; tailcall, so that ``upvar 1`` reaches the caller."""

HANDLER = """%(guard)sset ::tmm::rule %(number)s
switch -exact -- [catch {%(body)s
} {tmm result} {tmm options}] {
    0 - 2 {}
    1 {::tmm::fault ${tmm result} [dict get ${tmm options} -errorinfo] [dict get ${tmm options} -errorline] %(line)d
        continue}
    default {::tmm::fault {invoked "break" or "continue" outside of a loop} {} 0 0; continue}
}
"""
"""One handler in the loop of its virtual server, from a line of its own.

Names with a blank cannot collide with a rule's variables. ``line`` is what has to be added to a line of the loop's
procedure to have the line of the rule.
"""

GUARD = "if {[::tmm::disabled]} continue; "
"""Before every handler but the first of an event, where a rule may have said ``event disable``."""

DEFERRED = "after"
"""What the loop is told instead of the name of an event, so that it runs a script of ``after``."""

DEFERRED_HANDLER = {"guard": "", "number": "[::tmm::due]", "body": "eval [::tmm::script]", "line": 0}
"""For HANDLER: runs the script among the connection's variables."""
