# Purpose:  rewrites links in responses by the stream profile
# Requires: stream profile, http profile
when HTTP_REQUEST priority 500 {
    # Off for requests, and for every response but those below.
    STREAM::disable
    if { [HTTP::version] eq "1.1" } {
        HTTP::version "1.0"
    }
}

when HTTP_RESPONSE priority 500 {
    switch -glob -- [string tolower [HTTP::header value "Content-Type"]] {
        "text/html*" -
        "text/css*" {
            STREAM::expression {@http://www.example.com@https://www.example.com@ @//cdn1@//cdn2@}
            STREAM::enable
        }
        default {
            STREAM::disable
        }
    }
    if { [HTTP::is_redirect] } {
        HTTP::header replace "Location" [string map -nocase {"http://" "https://"} [HTTP::header value "Location"]]
    }
}
