# Purpose: an example for the tests of the linter
proc ex_refuse { status } {
    HTTP::respond $status
}
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] eq "TRACE" } {
        HTTP::respond 405
        HTTP::header insert Allow GET
        return
    }
    if { [HTTP::method] eq "CONNECT" } {
        call ex_refuse 405
        HTTP::collect 100
        return
    }
    if { [HTTP::version] eq "0.9" } {
        reject
        HTTP::respond 400
        return
    }
    if { [HTTP::path] eq "/stop" } {
        event disable all
        return
    }
    pool web_pool
}
when HTTP_REQUEST_DATA priority 500 {
    set body [HTTP::payload]
}
