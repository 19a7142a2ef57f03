# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 100 {
    pool web_pool
}
when HTTP_RESPONSE timing on priority 900 {
    HTTP::header remove Server
}
