# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set text "never closed
    pool web_pool
}
