# Purpose: the data group says which pool serves a host, and how its paths are rewritten
# Data groups: host_map (string, host := pool|prefix)
when HTTP_REQUEST priority 500 {
    set host [string tolower [getfield [HTTP::host] : 1]]
    set entry [class match -value -- $host equals host_map]
    if { $entry eq "" } {
        HTTP::respond 404 content "unknown host"
        return
    }
    foreach { target prefix } [split $entry "|"] { break }
    if { [catch { pool $target } problem] } {
        log local0.err "host_map: $host: $problem"
        HTTP::respond 503
        return
    }
    if { $prefix ne "" and not ([HTTP::path] starts_with $prefix) } {
        HTTP::path "/[string trim $prefix /][HTTP::path]"
    }
}
