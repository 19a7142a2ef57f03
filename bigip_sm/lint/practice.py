"""The rules over what an iRule does with variables, requests and data: what each wants, why, how to mend it, examples.

The number of a rule is its row in section 9 of the iRules sheet.
Facts: F5's iRules reference and K articles as named; "measured" is bitwisecook/tcl-lsp on TMOS 21.1.0.1.
"""

from __future__ import annotations

from bigip_sm.lint.findings import register

EVAL = register(
    "BSM-R002",
    "error",
    "Nothing from the wire is run as code",
    "eval, uplevel, after and subst, and expressions without braces, run commands that a client puts into a header.",
    mend="Build commands with list; use string map for placeholders; use an element of an array instead of a variable "
    "whose name a client chooses. subst takes -nocommands unless its text is literal.",
    bad="""
when HTTP_REQUEST priority 500 {
    set page [HTTP::header X-Page]
    eval "pool $page"
    set text [subst $page]
    set $page 1
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    set page [HTTP::header X-Page]
    set text [string map [list %PAGE% $page] "the page is %PAGE%"]
    set seen($page) 1
}
""",
    notes="Follows values through variables, procedures and string commands; a value is trusted where it is not known "
    "to come from the wire.",
)
GLOBAL = register(
    "BSM-R007",
    "error",
    "No globals; static:: names of your own, set in RULE_INIT",
    "A global holds the virtual server to one TMM (measured). A static:: name belongs to the whole device: of "
    "two rules "
    "that use one, the last to be loaded wins; a write outside of RULE_INIT reaches one TMM only.",
    mend="Use local variables, which live as long as the connection, or table. Begin static:: names with the product.",
    bad="""
when RULE_INIT priority 500 {
    set ::limit 100
    set static::debug 0
}
when HTTP_REQUEST priority 500 {
    if { $::limit > 10 } {
        set static::shop_last [HTTP::uri]
    }
}
""",
    good="""
when RULE_INIT priority 500 {
    set static::shop_limit 100
    set static::shop_debug 0
}
when HTTP_REQUEST priority 500 {
    if { $static::shop_limit > 10 } {
        set last [HTTP::uri]
    }
}
""",
    notes="Of static:: names only common words are reported, such as debug or timeout.",
)
UNSET = register(
    "BSM-R009",
    "error",
    "Variables have a value before they are read, and each request its own",
    "Reading or incrementing a variable that is not set is an error and resets the connection. Variables live as long "
    "as the connection, so what only some requests set is found again by the next ones.",
    mend="Set the variable before the branches part; set per-request variables at the beginning of HTTP_REQUEST.",
    bad="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::path] starts_with "/api" } {
        set is_api 1
    }
    incr requests
}
when HTTP_RESPONSE priority 500 {
    if { [info exists is_api] } {
        HTTP::header insert X-Api 1
    }
}
""",
    good="""
when CLIENT_ACCEPTED priority 500 {
    set requests 0
}
when HTTP_REQUEST priority 500 {
    set is_api [expr { [HTTP::path] starts_with "/api" }]
    incr requests
}
when HTTP_RESPONSE priority 500 {
    if { $is_api } {
        HTTP::header insert X-Api 1
    }
}
""",
    notes="Says nothing about variables that the rule asks info exists about, and nothing where variables get "
    "names that "
    "are made while it runs.",
)
RESPOND = register(
    "BSM-R010",
    "error",
    "After an answer nothing touches the request",
    "The handler goes on after HTTP::respond and HTTP::redirect, and so do handlers of later priority; HTTP:: commands "
    "are errors then (measured: ERR_NOT_SUPPORTED). event disable all silences later requests of the connection too.",
    mend="Return after answering. Let rules that run later begin with: if { [HTTP::has_responded] } { return }",
    bad="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::host] eq "old.example.com" } {
        HTTP::redirect "https://new.example.com[HTTP::uri]"
    }
    HTTP::header insert X-Checked 1
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::host] eq "old.example.com" } {
        HTTP::redirect "https://new.example.com[HTTP::uri]"
        return
    }
    HTTP::header insert X-Checked 1
}
""",
    notes="Between rules it sees what one AS3 declaration attaches to one service: an earlier rule that answers, and a "
    "later one that touches the request without asking. In a file with one rule the others are not known.",
)
COLLECT = register(
    "BSM-R011",
    "error",
    "A body is collected once, bounded, and taken",
    "A collect that nothing takes or bounds holds memory and stalls requests; one by Content-Length alone breaks on "
    "chunked requests. A variable holds 32 MB (K6578).",
    mend="Compare Content-Length with a limit and refuse with 413 beyond it; collect limit + 1 bytes where "
    "there is none; "
    "handle the matching *_DATA event.",
    bad="""
when HTTP_REQUEST priority 500 {
    HTTP::collect [HTTP::header Content-Length]
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    set wanted 1048577
    if { [HTTP::header exists Content-Length] } {
        set wanted [HTTP::header Content-Length]
        if { $wanted > 1048576 } {
            HTTP::respond 413
            return
        }
    }
    if { $wanted > 0 } {
        HTTP::collect $wanted
    }
}
when HTTP_REQUEST_DATA priority 500 {
    if { [HTTP::payload length] > 1048576 } {
        HTTP::respond 413
        return
    }
    HTTP::header insert X-Body-Length [HTTP::payload length]
}
""",
    notes="That 413 is really sent, and Expect: 100-continue answered, cannot be seen in the text: try it in the lab.",
)
CATCH = register(
    "BSM-R012",
    "warning",
    "What may fail stands in catch, and the error is acted on",
    "An error that nothing catches ends the handler and resets the connection; one that is caught and dropped lets the "
    "request through.",
    mend="if { [catch { pool $name } problem] } { HTTP::respond 503 }",
    bad="""
when HTTP_REQUEST priority 500 {
    set name [getfield [HTTP::host] "." 1]
    pool "pool_$name"
    catch { HTTP::header insert X-Key [CRYPTO::sign -alg hmac-sha256 -keyhex $name data] }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    set name [getfield [HTTP::host] "." 1]
    if { [catch { pool "pool_$name" } problem] } {
        HTTP::respond 503 content $problem
        return
    }
}
""",
    notes="Asked for: pools and data groups whose names are made while the rule runs, keyed cryptography, JSON, base64 "
    "from outside, timeouts of table from outside.",
)
HEADERS = register(
    "BSM-R013",
    "error",
    "Identity headers are removed before they are set; no line ends in headers; no bare credentials kept",
    "HTTP::header insert leaves the client's own header of that name beside the new one. A decoded value may hold line "
    "ends. Keys of table and log lines are read by people who must not have the credential.",
    mend="Remove the header in a loop, or replace it. Check decoded values. Use a hash of a credential as a key.",
    bad="""
when HTTP_REQUEST priority 500 {
    HTTP::header insert X-SSL-Client-Subject [X509::subject [SSL::cert 0]]
    HTTP::header insert X-Page [URI::decode [HTTP::query]]
    table set -- [HTTP::header Authorization] 1
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    while { [HTTP::header exists X-SSL-Client-Subject] } {
        HTTP::header remove X-SSL-Client-Subject
    }
    HTTP::header insert X-SSL-Client-Subject [X509::subject [SSL::cert 0]]
    HTTP::header insert X-Page [HTTP::query]
    table set -- [b64encode [sha256 [HTTP::header Authorization]]] 1
}
""",
    notes="A header that the rule removes or replaces anywhere counts as removed. Names of identity headers are "
    "those in "
    "common use.",
)
LOG = register(
    "BSM-R014",
    "warning",
    "Logs hold no bodies and cookies, are switched, and escape what they quote",
    "log is limited in rate and goes through syslog: a line a request costs more than the rest of the rule. Bodies and "
    "cookies in logs are personal data and sessions.",
    mend="Put debug lines behind a static:: switch, and use HSL for what every request writes. Escape values in JSON.",
    bad="""
when HTTP_REQUEST priority 500 {
    log local0. "request with [HTTP::cookie value session]"
}
""",
    good="""
when RULE_INIT priority 500 {
    set static::shop_debug 0
}
when HTTP_REQUEST priority 500 {
    if { $static::shop_debug } {
        log local0. "request for [HTTP::path]"
    }
}
""",
)
PERFORMANCE = register(
    "BSM-R016",
    "warning",
    "Nothing slow on the way of every request",
    "Regular expressions, repeated reads of the same header and waiting cost processor time of TMM on every request.",
    mend="Use starts_with, ends_with, contains, switch -glob or class instead of a regular expression without special "
    "characters; read a value once into a variable.",
    bad="""
when HTTP_REQUEST priority 500 {
    if { [regexp {^/api} [HTTP::uri]] } {
        pool api_pool
    }
    set expires [expr { [clock seconds] + 60 }]
    set started [clock seconds]
    set count [llength [table keys -subtable clients]]
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::uri] starts_with "/api" } {
        pool api_pool
    }
    set started [clock seconds]
    set expires [expr { $started + 60 }]
}
""",
)
COMPARE = register(
    "BSM-R017",
    "warning",
    "Strings are compared as strings, numbers as numbers",
    '== compares numbers where both sides look like numbers: "1e3" == "1000". 08 and 09 are no numbers to Tcl 8.4.',
    mend="Write eq, ne or equals for strings; scan %d for numbers with leading zeros; string is integer -strict before "
    "arithmetic on what comes from outside.",
    bad="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] == "POST" } {
        pool write_pool
    }
    set hour [clock format [clock seconds] -format %H]
    if { $hour < 8 } {
        pool night_pool
    }
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] eq "POST" } {
        pool write_pool
    }
    scan [clock format [clock seconds] -format %H] %d hour
    if { $hour < 8 } {
        pool night_pool
    }
}
""",
)
URI = register(
    "BSM-R020",
    "warning",
    "Paths are decided on in normal form, and begin with a slash",
    "/admin, //admin, /./admin and /%61dmin are one path to many servers. A path without a slash is an invalid "
    "request.",
    mend="Decide on HTTP::path -normalized; use the raw form only for what is signed or forwarded.",
    bad="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::path] starts_with "/admin" } {
        reject
        return
    }
    HTTP::path "index.html"
}
""",
    good="""
when HTTP_REQUEST priority 500 {
    if { [HTTP::path -normalized] starts_with "/admin" } {
        reject
        return
    }
    HTTP::path "/index.html"
}
""",
)
