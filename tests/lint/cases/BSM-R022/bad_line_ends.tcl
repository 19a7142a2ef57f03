# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    pool web_pool
    # café
}
