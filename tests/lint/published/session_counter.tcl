# Purpose: limits the sessions that are open at one time; counts them in a subtable
# CMP:     the table is shared by all TMMs
when RULE_INIT priority 500 {
    set static::shop_sessions 500
    set static::shop_idle 600
}

when HTTP_REQUEST priority 500 {
    set session [HTTP::cookie value "JSESSIONID"]
    if { $session eq "" } {
        set session "new-[IP::client_addr]-[TCP::client_port]"
    }
    set key [b64encode [sha256 $session]]
    if { [table lookup -subtable "sessions" $key] ne "" } {
        return
    }
    # bigip-sm: allow BSM-R016 because there are few sessions
    if { [table keys -subtable "sessions" -count] >= $static::shop_sessions } {
        HTTP::respond 503 content "The shop is full." "Retry-After" 30
        return
    }
    table set -subtable "sessions" $key 1 $static::shop_idle
}
