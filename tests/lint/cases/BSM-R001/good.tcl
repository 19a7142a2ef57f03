# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set length [string length [HTTP::uri]]
    if { $length > 10 } {
        pool long_pool
    } elseif {$length} {
        pool short_pool
    } else {
        pool web_pool
    }
    set half [expr { $length / 2 }]
    set day [expr 24*60*60]
    while 1 {
        incr half -1
        if {$half < 0} break
    }
    foreach one { a b } {
        append text $one
    }
    if { [catch { pool other_pool } problem] } {
        HTTP::respond 503 content $problem
    }
}
