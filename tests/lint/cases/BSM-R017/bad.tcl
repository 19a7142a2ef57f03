# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] == "POST" or [HTTP::host] != "" } {
        pool write_pool
    }
    set hour [clock format [clock seconds] -format %H]
    if { $hour < 8 } {
        pool night_pool
    }
    set rest [expr { [HTTP::header Content-Length] - 10 }]
}
