# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    log local0. "request for [HTTP::path]"
    if { $static::ex_debug } {
        log local0. "session [HTTP::cookie value session]"
    }
    set log [HSL::open -proto UDP -pool log_pool]
    HSL::send $log "{\"host\":\"[HTTP::host]\"}\n"
}
when HTTP_REQUEST_DATA priority 500 {
    set body [HTTP::payload]
    if { [HTTP::payload length] > 10 } {
        log local0. "body $body"
    }
}
