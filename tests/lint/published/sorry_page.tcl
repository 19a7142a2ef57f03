# Purpose: another pool when the first one fails, and a page when both do
when CLIENT_ACCEPTED priority 500 {
    set retries 0
}

when HTTP_REQUEST priority 500 {
    set retries 0
    set wanted [HTTP::uri]
}

when LB_FAILED priority 500 {
    incr retries
    if { $retries < 2 and [active_members backup_pool] > 0 } {
        LB::mode rr
        LB::reselect pool backup_pool
    } else {
        log local0.err "no server for $wanted from [IP::client_addr]"
        HTTP::respond 503 content "<html><body>Sorry, please try again later.</body></html>" "Content-Type" "text/html"
    }
}
