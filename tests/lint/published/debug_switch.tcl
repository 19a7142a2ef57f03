# Purpose: shows how requests are balanced, when asked to
#
# Set static::shop_debug to 1 to see it in /var/log/ltm.
when RULE_INIT priority 500 {
    set static::shop_debug 0
    array set static::shop_levels {
        err   3
        info  6
        debug 7
    }
}

when HTTP_REQUEST priority 500 {
    if { $static::shop_debug >= $static::shop_levels(info) } {
        set id "[TMM::cmp_unit]-[clock clicks]"
        log local0.debug "$id: [HTTP::method] [HTTP::host] [HTTP::path]"
    }
}

when LB_SELECTED priority 500 {
    if { $static::shop_debug } { log local0.debug "chosen: [LB::server]" }
}
