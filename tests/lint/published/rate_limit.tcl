# Purpose:  at most so many requests a minute for each address
# Requires: http profile
# CMP:      the counter is shared by all TMMs
when RULE_INIT priority 500 {
    set static::shop_rate_limit 100
    set static::shop_rate_window 60
}

when HTTP_REQUEST priority 200 {
    set key "rate:[IP::client_addr]"
    table add $key 0 indefinite $static::shop_rate_window
    set count [table incr -notouch $key]
    if { $count > $static::shop_rate_limit } {
        HTTP::respond 429 content "Too many requests\r\n" "Retry-After" $static::shop_rate_window
        return
    }
    HTTP::header insert "X-Request-Count" $count
}
