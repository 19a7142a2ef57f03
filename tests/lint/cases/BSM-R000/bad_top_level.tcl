# Purpose: an example for the tests of the linter
set limit 10
when HTTP_REQUEST priority 500 {
    pool web_pool
}
