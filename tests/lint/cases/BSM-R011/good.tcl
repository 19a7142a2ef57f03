# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set wanted 1048577
    if { [HTTP::header exists Content-Length] } {
        set wanted [HTTP::header Content-Length]
        if { $wanted > 1048576 } {
            HTTP::respond 413
            return
        }
    }
    if { $wanted > 0 } {
        HTTP::collect $wanted
    }
}
when HTTP_REQUEST_DATA priority 500 {
    if { [HTTP::payload length] > 1048576 } {
        HTTP::respond 413
        return
    }
    HTTP::header insert X-Body-Length [HTTP::payload length]
}
when CLIENT_ACCEPTED priority 500 {
    TCP::collect 10
}
when CLIENT_DATA priority 500 {
    TCP::release
    TCP::collect 10
}
