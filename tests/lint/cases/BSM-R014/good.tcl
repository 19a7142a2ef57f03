# Purpose: an example for the tests of the linter
proc ex_escape { text } {
    return [string map [list \\ \\\\ \" \\\"] $text]
}
when HTTP_REQUEST priority 500 {
    if { $static::ex_debug } {
        log local0. "request for [HTTP::path]"
    }
    if { [catch { persist uie [HTTP::cookie value session] } problem] } {
        log local0.err "no persistence: $problem"
    }
    set log [HSL::open -proto UDP -pool log_pool]
    HSL::send $log "{\"host\":\"[call ex_escape [HTTP::host]]\"}\n"
}
