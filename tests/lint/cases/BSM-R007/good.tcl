# Purpose: an example for the tests of the linter
when RULE_INIT priority 500 {
    set static::ex_limit 100
    set ::static::ex_debug 0
    array set static::ex_names { a 1 }
}
when HTTP_REQUEST priority 500 {
    set limit $static::ex_limit
    if { $::static::ex_debug && $limit > 10 } {
        set problem [subst "\$::errorInfo"]
        HTTP::header insert X-Limit $static::ex_names(a)
    }
}
