# Purpose: reads, sets and expires a cookie of the shop, and persists on it
when HTTP_REQUEST priority 500 {
    set basket ""
    if { [HTTP::cookie exists "basket"] } {
        set basket [HTTP::cookie value "basket"]
        if { [string length $basket] > 64 or not ([regexp {^[A-Za-z0-9]+$} $basket]) } {
            HTTP::cookie remove "basket"
            set basket ""
        }
    }
    if { $basket ne "" } {
        persist uie $basket 3600
    }
}

when HTTP_RESPONSE priority 500 {
    if { $basket eq "" and [HTTP::header exists "X-Basket"] } {
        set value [HTTP::header "X-Basket"]
        HTTP::cookie insert name "basket" value $value path "/" version 0
        HTTP::cookie secure "basket" enable
        HTTP::header remove "X-Basket"
        persist add uie $value 3600
    }
}
