# Purpose:  replaces internal host names in the text of responses
# Requires: http profile with response chunking that un-chunks
when HTTP_REQUEST priority 500 {
    # A compressed body cannot be searched.
    HTTP::header remove "Accept-Encoding"
}

when HTTP_RESPONSE priority 500 {
    if { [HTTP::header value "Content-Type"] starts_with "text/" } {
        set length 1048576
        if { [HTTP::header exists "Content-Length"] && [HTTP::header "Content-Length"] <= 1048576 } {
            set length [HTTP::header "Content-Length"]
        }
        if { $length > 0 } {
            HTTP::collect $length
        }
    }
}

when HTTP_RESPONSE_DATA priority 500 {
    set body [string map {"http://internal.example.com" "https://www.example.com"} [HTTP::payload]]
    HTTP::payload replace 0 [HTTP::payload length] $body
    HTTP::release
}
