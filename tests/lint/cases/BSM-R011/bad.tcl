# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    HTTP::collect [HTTP::header Content-Length]
}
