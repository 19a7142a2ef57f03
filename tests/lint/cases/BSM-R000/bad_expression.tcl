# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { $static::ex_on == } {
        pool web_pool
    }
    set other [expr { 1 + }]
}
