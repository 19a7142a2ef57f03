# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set length [string length [HTTP::uri]]
    if "$length > 10" {
        pool long_pool
    } elseif $length {
        pool short_pool
    }
    set half [expr $length / 2]
    while "$half > 0" {
        incr half -1
    }
    for { set i 0 } "$half > 0" { incr i } {
        pool web_pool
    }
}
