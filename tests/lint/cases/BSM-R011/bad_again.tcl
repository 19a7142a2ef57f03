# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    HTTP::collect 1000
    if { [HTTP::method] eq "POST" } {
        HTTP::collect 99999999
    }
}
when HTTP_REQUEST_DATA priority 500 {
    if { [HTTP::payload length] < 10 } {
        HTTP::collect 2000
    }
}
when HTTP_RESPONSE priority 500 {
    HTTP::collect
}
