# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path -normalized]]
    if { $path starts_with "/admin" } {
        reject
        return
    }
    if { [HTTP::uri] starts_with "/api" } {
        pool api_pool
    }
    HTTP::path "/index.html"
    HTTP::uri "/site[HTTP::uri]"
    HTTP::path [string tolower [HTTP::path]]
}
