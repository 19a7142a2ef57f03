# Purpose: an example for the tests of the linter
proc ex_known { a } {
    return $a
}
when HTTP_REQUEST priority 500 {
    set is_api [expr { [HTTP::uri] starts_with "/api" }]
    set open [call ex_known 2]
    call /Common/ex_library::ex_other $open
    set words {exec open file}
    switch -- $open {
        open -
        close { pool web_pool }
        exec {
            pool other_pool
        }
    }
}
when HTTP_RESPONSE priority 500 {
    if { $is_api } {
        HTTP::header insert X-Api 1
        clientside { HTTP::header names }
        event HTTP_RESPONSE disable
    }
}
