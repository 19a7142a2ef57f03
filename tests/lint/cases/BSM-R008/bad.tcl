# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { not [HTTP::path] starts_with "/api" } {
        pool web_pool
    }
    set odd [expr { !$static::ex_state eq "on" }]
    if { [HTTP::path] eq "/" and ! [HTTP::host] ends_with ".example.com" } {
        pool other_pool
    }
    if { not "text" } {
        pool third_pool
    }
}
