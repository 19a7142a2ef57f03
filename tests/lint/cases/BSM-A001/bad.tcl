# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    # bigip-sm: allow BSM-R017
    if { [HTTP::method] == "POST" } {
        pool write_pool
    }
    # bigip-sm: allow BSM-R999 because there is no such rule
    # bigip-sm: allow because of a reason
    # bigip-sm: allow BSM-A001 because the comment itself is in the way
    pool web_pool
}
