# Purpose: an example for the tests of the linter
when RULE_INIT priority 500 {
    set ::limit 100
    set counter 0
    set static::debug 0
    array set static::timeout { a 1 }
}
when HTTP_REQUEST priority 500 {
    global limit
    if { $::limit > 10 } {
        incr ::count
        set static::ex_last [HTTP::uri]
    }
}
