# Purpose:  refuses orders that are too large, or that hold what no order has
# Requires: http profile
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] ne "POST" } {
        return
    }
    set wanted 65537
    if { [HTTP::header exists "Content-Length"] } {
        set length [HTTP::header value "Content-Length"]
        if { not [string is integer -strict $length] or $length > 65536 } {
            HTTP::respond 413 "Connection" "close"
            return
        }
        set wanted $length
    }
    if { $wanted > 0 } {
        HTTP::collect $wanted
    }
}

when HTTP_REQUEST_DATA priority 500 {
    set body [HTTP::payload]
    if { [string length $body] > 65536 } {
        HTTP::respond 413 "Connection" "close"
        return
    }
    set lowered [string tolower $body]
    foreach word { "<script" "union select" "../" } {
        if { $lowered contains $word } {
            log local0.warning "[IP::client_addr]: an order with $word was refused"
            HTTP::respond 403 content "This order cannot be taken."
            return
        }
    }
    HTTP::release
}
