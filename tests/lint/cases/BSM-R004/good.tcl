# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set host ""
    foreach { host port } [split [HTTP::host] :] {
        break
    }
    if { [lsearch -exact {a.example.com b.example.com} $host] >= 0 } {
        pool web_pool
    }
    set started [clock clicks -milliseconds]
    set parts [split [HTTP::path] /]
    set last [lindex $parts end-1]
    set index 2
    set back [lindex $parts end-$index]
    binary scan [HTTP::path] c first
    set first [expr { $first & 0xff }]
    set limit [expr { pow(2, 10) }]
    regexp {^/(?:api|v1)/(?=x)} [HTTP::path] found
    set words {dict lassign try}
}
