# Purpose:  one line a request to the log servers
# Requires: http profile, pool log_pool
when CLIENT_ACCEPTED priority 500 {
    set hsl [HSL::open -proto UDP -pool log_pool]
}

when HTTP_REQUEST priority 500 {
    set started [clock clicks -milliseconds]
    set line "[IP::client_addr] [HTTP::method] [HTTP::host][HTTP::uri]"
}

when HTTP_RESPONSE priority 500 {
    set elapsed [expr { [clock clicks -milliseconds] - $started }]
    HSL::send $hsl "<190> $line [HTTP::status] [LB::server addr] ${elapsed}ms\n"
}
