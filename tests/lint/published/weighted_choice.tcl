# Purpose: sends a tenth of the clients to the new version, always the same ones
when HTTP_REQUEST priority 500 {
    set chosen [HTTP::cookie value "version"]
    set fresh 0
    if { $chosen ne "old" and $chosen ne "new" } {
        set fresh 1
        set chosen "old"
        if { rand() < 0.1 } {
            set chosen "new"
        }
    }
    pool "shop_$chosen"  ;# bigip-sm: allow BSM-R012 because both pools are part of the same declaration
}

when HTTP_RESPONSE priority 500 {
    if { $fresh } {
        HTTP::cookie insert name "version" value $chosen path "/"
    }
}
