# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    # an opening brace { in a comment
    pool web_pool
}
