# Purpose:  one server-ssl profile and pool for each name that the client asked for
# Requires: client-ssl and server-ssl profiles
# Data groups: sni_profiles, sni_pools (string, name := full path)
when CLIENTSSL_HANDSHAKE priority 500 {
    set name ""
    if { [SSL::extensions exists -type 0] } {
        binary scan [SSL::extensions -type 0] @9a* name
    }
    set name [string tolower $name]
}

when HTTP_REQUEST priority 500 {
    set target [class match -value -- $name equals sni_pools]
    if { $target eq "" } {
        HTTP::respond 421
        return
    }
    if { [catch { pool $target } problem] } {
        log local0.err "no pool $target: $problem"
        HTTP::respond 503
    }
}

when SERVER_CONNECTED priority 500 {
    set profile [class match -value -- $name equals sni_profiles]
    if { $profile ne "" } {
        if { [catch { SSL::profile $profile } problem] } {
            log local0.err "no profile $profile: $problem"
            reject
        }
    } else {
        SSL::disable serverside
    }
}
