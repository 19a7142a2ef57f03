# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [regexp {^/api} [HTTP::uri]] or [HTTP::uri] matches_regex "internal" } {
        pool api_pool
    }
    set expires [expr { [clock seconds] + 60 }]
    set started [clock seconds]
    set count [llength [table keys -subtable clients]]
    after 100
    if { [HTTP::uri] ends_with ".php" } {
        pool php_pool
    } elseif { [HTTP::uri] ends_with ".asp" } {
        pool asp_pool
    }
}
