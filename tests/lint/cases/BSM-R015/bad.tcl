# Purpose: an example for the tests of the linter
when HTTP_REQUEST {
    pool web_pool
}
when HTTP_RESPONSE timing on {
    HTTP::header remove Server
}
