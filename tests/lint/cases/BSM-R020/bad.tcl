# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path]]
    if { $path starts_with "/admin" } {
        reject
        return
    } elseif { [HTTP::uri] contains "/internal/" } {
        HTTP::respond 403
        return
    }
    HTTP::path "index.html"
}
