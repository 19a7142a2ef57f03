# Purpose: tells the servers who the client is, and the client as little as possible about the servers
when HTTP_REQUEST priority 100 {
    while { [HTTP::header exists "X-Forwarded-For"] } {
        HTTP::header remove "X-Forwarded-For"
    }
    HTTP::header insert "X-Forwarded-For" [IP::client_addr]
    HTTP::header replace "X-Forwarded-Proto" "https"
    HTTP::header replace "X-Forwarded-Port" [TCP::local_port]
}

when HTTP_RESPONSE priority 100 {
    HTTP::header remove "Server"
    HTTP::header remove "X-Powered-By"
    HTTP::header insert "Strict-Transport-Security" "max-age=31536000; includeSubDomains"
    if { not [HTTP::header exists "X-Frame-Options"] } {
        HTTP::header insert "X-Frame-Options" "SAMEORIGIN"
    }
    foreach cookie [HTTP::cookie names] {
        HTTP::cookie secure $cookie enable
        HTTP::cookie httponly $cookie enable
    }
}
