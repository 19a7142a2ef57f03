# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { not ([HTTP::path] starts_with "/api") } {
        pool web_pool
    }
    if { ![info exists missing] and not [HTTP::header exists X-Api] && !($static::ex_state eq "on") } {
        pool other_pool
    }
    if { 1 == !$static::ex_on } {
        pool third_pool
    }
}
