# Purpose:  sends plain HTTP to HTTPS, and old host names to the new one
# Requires: http profile
when HTTP_REQUEST priority 500 {
    set host [string tolower [getfield [HTTP::host] ":" 1]]
    if { $host eq "" } {
        HTTP::respond 400
        return
    }
    if { $host ends_with ".old.example.com" } {
        HTTP::redirect "https://www.example.com[HTTP::uri]"
    } else {
        HTTP::redirect "https://$host[HTTP::uri]"
    }
}
