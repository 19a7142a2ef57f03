# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    lassign [split [HTTP::host] :] host port
    set all [dict create host $host]
    if { $host in {a.example.com b.example.com} } {
        pool web_pool
    }
    set area [expr { 2 ** 10 }]
    set started [clock milliseconds]
    set back [string reverse $host]
    try {
        pool web_pool
    } on error {} {
    }
}
