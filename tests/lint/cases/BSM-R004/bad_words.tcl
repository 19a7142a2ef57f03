# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set parts [split [HTTP::path] /]
    set index 1
    set second [lindex $parts $index+1]
    set third [lindex $parts 1+1]
    call ex_join {*}$parts
    binary scan [HTTP::payload] cu first
    if { [catch { pool web_pool } problem options] } {
        reject
    }
    set flags [expr { 0b101 }]
    if { [regexp {(?<=/)api} [HTTP::path]] } {
        pool api_pool
    }
    set most [expr { max($index, 2) }]
    switch -nocase -- [HTTP::method] {
        "get" { pool web_pool }
    }
    set sorted [lsort -indices $parts]
    if { [string is list $parts] } {
        pool list_pool
    }
}
proc ex_join { first args } {
    return [join $args $first]
}
