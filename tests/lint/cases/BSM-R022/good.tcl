# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [HTTP::path] eq "/" } {
        pool web_pool
    } else {
        pool other_pool
    }
}
