# Purpose:  asks once more when a server answers 503
# Requires: http profile; requests without a body only
when CLIENT_ACCEPTED priority 500 {
    set tries 0
}

when HTTP_REQUEST priority 500 {
    set head ""
    if { [HTTP::method] eq "GET" } {
        set head [HTTP::request]
    }
}

when HTTP_RESPONSE priority 500 {
    if { [HTTP::status] == 503 and $head ne "" and $tries < 1 } {
        incr tries
        LB::detach
        HTTP::retry $head
        return
    }
    set tries 0
}
