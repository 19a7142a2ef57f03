# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    # bigip-sm: allow BSM-R017 because both sides are always words
    if { [HTTP::method] == "POST" } {
        pool write_pool
    }
    if { [HTTP::method] == "PUT" } { ;# bigip-sm: allow BSM-R017 because both sides are always words
        pool write_pool
    }
}
