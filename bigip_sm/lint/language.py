"""The rules over the language of iRules, and over how a rule is written down: what each wants, why, examples.

The number of a rule is its row in section 9 of the iRules sheet. BSM-R000 and the BSM-A rules are the linter's own.
Facts: F5's iRules reference and K articles as named; "measured" is bitwisecook/tcl-lsp on TMOS 21.1.0.1.
"""

from __future__ import annotations

from bigip_sm.lint.findings import register

UNREADABLE = register(
    "BSM-R000",
    "error",
    "The text can be read as an iRule",
    "TMM refuses the whole rule when it is loaded (01070151). Nothing else can be said about the part that is meant.",
    mend="Close what is open: brackets, quotes and braces. At the top level only when, proc and comments may stand.",
    bad="""
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path]
    pool web_pool
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path]]
    pool web_pool
}
""",
)
BRACES = register(
    "BSM-R001",
    "error",
    "Expressions and scripts are in braces",
    "Without braces Tcl substitutes twice: what a variable holds is read as code, and nothing is compiled once.",
    mend="Put braces around the whole expression or script. An expression of constants needs none.",
    bad="""
when HTTP_REQUEST priority 500 {
    set length [HTTP::header Content-Length]
    if "$length > 1000" {
        pool big_pool
    }
    set half [expr $length / 2]
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    set length [HTTP::header Content-Length]
    if { $length > 1000 } {
        pool big_pool
    }
    set half [expr { $length / 2 }]
}
""",
)
OPTION_END = register(
    "BSM-R003",
    "error",
    "Options end with -- before a value that may begin with a hyphen",
    "A value that begins with a hyphen is taken for an option: an error, and the connection is reset.",
    mend="Write -- after the options of switch, regexp, regsub, class, table and unset.",
    bad="""
when HTTP_REQUEST priority 500 {
    switch -glob [HTTP::host] {
        "api.*" { pool api_pool }
    }
    if { [class match [HTTP::host] equals internal_hosts] } {
        pool internal_pool
    }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    switch -glob -- [HTTP::host] {
        "api.*" { pool api_pool }
    }
    if { [class match -- [HTTP::host] equals internal_hosts] } {
        pool internal_pool
    }
}
""",
    notes="Values that cannot begin with a hyphen are left alone: literals, paths, addresses, numbers, and "
    "variables that hold only such values.",
)
TCL84 = register(
    "BSM-R004",
    "error",
    "Nothing that Tcl 8.4 lacks",
    "TMM runs Tcl 8.4.6: it refuses the rule, or with {*} goes on with the wrong words (measured).",
    mend="Use what 8.4 has: foreach for lassign, arrays for dict, expr { $a * $a } for **, clock seconds and clock "
    "clicks -milliseconds, & 0xff after binary scan, a variable for a computed index.",
    bad="""
when HTTP_REQUEST priority 500 {
    lassign [split [HTTP::host] :] host port
    if { $host in {a.example.com b.example.com} } {
        pool web_pool
    }
    set started [clock milliseconds]
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    foreach {host port} [split [HTTP::host] :] {
        break
    }
    if { [lsearch -exact {a.example.com b.example.com} $host] >= 0 } {
        pool web_pool
    }
    set started [clock clicks -milliseconds]
}
""",
)
REFUSED = register(
    "BSM-R005",
    "error",
    "Only commands that TMM has, in events that allow them",
    "TMM refuses the whole rule when it is loaded, even where the command stands in catch (measured).",
    mend="The message is TMOS's own where it has one. Call a procedure with call, give each event one handler, keep "
    "proc at the top level, and save in HTTP_REQUEST what HTTP_RESPONSE needs of the request.",
    bad="""
when HTTP_RESPONSE priority 500 {
    if { [HTTP::uri] starts_with "/api" } {
        HTTP::headers insert X-Api 1
    }
    catch { exec date }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    set is_api [expr { [HTTP::uri] starts_with "/api" }]
}
when HTTP_RESPONSE priority 500 {
    if { $is_api } {
        HTTP::header insert X-Api 1
    }
}
""",
    notes="Which command is legal in which event is checked only where it was measured.",
)
PLAIN_TEXT = register(
    "BSM-R006",
    "error",
    "ASCII, balanced braces, comments that stand alone",
    "TMM refuses the rule, or takes a comment for arguments or for a pattern of switch.",
    mend="Write ASCII; put ;# before a comment at the end of a line; keep braces balanced in comments too; put "
    "comments "
    "of a switch into its scripts.",
    bad="""
when HTTP_REQUEST priority 500 {
    pool web_pool # the default
    switch -- [HTTP::method] {
        # reading
        "GET" { pool read_pool }
    }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    pool web_pool ;# the default
    switch -- [HTTP::method] {
        "GET" {
            # reading
            pool read_pool
        }
    }
}
""",
)
NOT = register(
    "BSM-R008",
    "error",
    "The operand of not or ! is in parentheses or brackets, or a variable alone",
    "not and ! bind tighter than every comparison: not $a eq $b is (not $a) eq $b, an error for most strings.",
    mend="Write not (...) around the comparison.",
    bad="""
when HTTP_REQUEST priority 500 {
    if { not [HTTP::path] starts_with "/api" } {
        pool web_pool
    }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { not ([HTTP::path] starts_with "/api") } {
        pool web_pool
    }
}
""",
)
PRIORITY = register(
    "BSM-R015",
    "warning",
    "Every handler states its priority",
    "Without one it is 500, and the order among the rules of a virtual server is that of its list.",
    mend="when HTTP_REQUEST priority 500 {",
    bad="""
when HTTP_REQUEST {
    pool web_pool
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    pool web_pool
}
""",
)
FORMATS = register(
    "BSM-R018",
    "error",
    "No %ll; numbers of binary scan are masked",
    "%lld and %llx are errors in Tcl 8.4, whose numbers have 64 bits on TMM already. binary scan reads signed numbers: "
    "byte 0xff is -1.",
    mend="Write %d and %x. Mask: set byte [expr { $byte & 0xff }]",
    bad="""
when CLIENT_DATA priority 500 {
    binary scan [TCP::payload] cS first length
    if { $first == 0x80 } {
        set text [format %llx $length]
    }
}
""",
    good="""
when CLIENT_DATA priority 500 {
    binary scan [TCP::payload] cS first length
    set first [expr { $first & 0xff }]
    set length [expr { $length & 0xffff }]
    if { $first == 0x80 } {
        set text [format %x $length]
    }
}
""",
    notes="Reported where the sign surely gives a wrong result: comparisons with numbers that are out of reach, "
    "shifts, |, "
    "and format %x.",
)
HEADER = register(
    "BSM-R019",
    "warning",
    "A comment at the top says what the rule is for and needs",
    "A rule is read in a hurry, and on a device there is nothing but its text.",
    mend="Purpose, TMOS versions, profiles, data groups, CMP, events.",
    bad="""
when HTTP_REQUEST priority 500 {
    pool web_pool
}
""",
    good="""
# Purpose:  sends everything to the web pool
# Requires: TMOS 15.1 or newer, http profile
when HTTP_REQUEST priority 500 {
    pool web_pool
}
""",
)
VERSION_GATE = register(
    "BSM-R021",
    "error",
    "JSON:: and SSE:: say that they need TMOS 21",
    "Older versions refuse the rule; without the json or sse profile the events never fire, or the rule cannot "
    "be attached.",
    mend="Say it in the comment at the top: # Requires: TMOS 21, json profile. Keep such rules out of what older "
    "devices get.",
    bad="""
when JSON_REQUEST priority 500 {
    set root [JSON::root]
}
""",
    good="""
# Purpose:  reads the request's JSON
# Requires: TMOS 21 or newer, json profile
when JSON_REQUEST priority 500 {
    if { [catch { set root [JSON::root] } problem] } {
        HTTP::respond 400 content $problem
    }
}
""",
    notes="What HTTP::header sanitize keeps cannot be judged from the text: try it in the lab.",
)
LAYOUT = register(
    "BSM-R022",
    "warning",
    "Four spaces a level, lines of at most 120 columns, braces at the end of the line, no trailing blanks, LF",
    "AS3 removes blanks at line ends, so the device's text differs from the file's. What TMM's parser forgives, stock "
    "Tcl and most tools do not: a brace on a line of its own, }{ without a blank.",
    mend="F5's iRules style guide asks for 100 columns. Lines that cannot be broken without a continuation may "
    "be longer.",
    bad="""
when HTTP_REQUEST priority 500
{
  if { [HTTP::path] eq "/" }{
    pool web_pool
  }
  else {
    pool other_pool
  }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::path] eq "/" } {
        pool web_pool
    } else {
        pool other_pool
    }
}
""",
)
ALLOW = register(
    "BSM-A001",
    "error",
    "An allow comment names rules and gives a reason",
    "Whoever reads the rule next must know why it may be broken here.",
    mend="# bigip-sm: allow BSM-R016 because the pattern comes from the vendor",
    bad="""
when HTTP_REQUEST priority 500 {
    # bigip-sm: allow BSM-R017
    if { [HTTP::method] == "POST" } {
        pool write_pool
    }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    # bigip-sm: allow BSM-R017 because both sides are always words
    if { [HTTP::method] == "POST" } {
        pool write_pool
    }
}
""",
)
NO_EFFECT = register(
    "BSM-A002",
    "warning",
    "An allow comment has an effect",
    "One that is left behind hides the next mistake.",
    mend="Remove it, or put it right above the command that it is about.",
    bad="""
when HTTP_REQUEST priority 500 {
    # bigip-sm: allow BSM-R017 because both sides are always words
    if { [HTTP::method] eq "POST" } {
        pool write_pool
    }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] eq "POST" } {
        pool write_pool
    }
}
""",
)
