# Purpose: an example for the tests of the linter
when CLIENT_ACCEPTED priority 500 {
    set requests 0
    set tls 1
}
when HTTP_REQUEST priority 500 {
    incr requests
    set is_api [expr { [HTTP::path] starts_with "/api" }]
    set name other
    if { $is_api } {
        set name api
    }
    HTTP::header insert X-Name $name
    if { [HTTP::header exists X-Trace] } {
        set trace [HTTP::header X-Trace]
    } else {
        set trace ""
    }
    switch -- [HTTP::host] {
        "a.example.com" { set target a_pool }
        "b.example.com" { set target b_pool }
        default {
            HTTP::respond 421
            return
        }
    }
    HTTP::header insert X-Target $target
    if { [scan [HTTP::query] "id=%d" id] == 1 } {
        HTTP::header insert X-Id $id
    }
    foreach { key value } [split [HTTP::query] &] {
        append text $key $value
    }
    if { !([info exists once]) } {
        set once 1
    }
}
when HTTP_RESPONSE priority 500 {
    if { $is_api } {
        HTTP::header insert X-Trace $trace
    }
}
proc ex_use { given {more 1} } {
    upvar 1 $given linked
    return "$linked $more"
}
