when HTTP_REQUEST priority 500 {
    switch -glob -- $host {
        "a*" { pool web }
    }
    if { [class match -- $host equals hosts] } {
        pool web
    }
    switch [string tolower [HTTP::uri]] {
        /a { pool web }
    }
    if { [class match [IP::client_addr] equals partners] } {
        pool web
    }
}
