# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set uri [HTTP::uri]
    if { $uri starts_with "/api" or [regexp {^/v[0-9]+/} $uri] } {
        pool api_pool
    }
    set started [clock seconds]
    set expires [expr { $started + 60 }]
    if { $uri ends_with ".php" } {
        pool php_pool
    } elseif { $uri ends_with ".asp" } {
        pool asp_pool
    }
}
