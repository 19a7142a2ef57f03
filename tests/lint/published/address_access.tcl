# Purpose: lets only known networks and countries in
# Data groups: allowed_networks (address), blocked_countries (string)
when CLIENT_ACCEPTED priority 500 {
    set address [IP::client_addr]
    if { [class match $address equals allowed_networks] } {
        return
    }
    set country [whereis $address country]
    if { $country eq "" or [class match -- $country equals blocked_countries] } {
        log local0.notice "refused $address from $country"
        reject
        return
    }
}
