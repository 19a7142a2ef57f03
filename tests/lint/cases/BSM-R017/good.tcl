# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [HTTP::method] eq "POST" or [HTTP::host] ne "" } {
        pool write_pool
    }
    scan [clock format [clock seconds] -format %H] %d hour
    if { $hour < 8 } {
        pool night_pool
    }
    set length [HTTP::header Content-Length]
    if { [string is integer -strict $length] && $length == "10" } {
        set rest [expr { $length - 10 }]
    }
}
