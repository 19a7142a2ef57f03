# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path]
    pool web_pool
}
