# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [HTTP::path] starts_with "/api" } {
        set is_api 1
        set name api
    }
    incr requests
    HTTP::header insert X-Name $name
    set later $early
    set early 1
}
when HTTP_RESPONSE priority 500 {
    if { [info exists is_api] } {
        HTTP::header insert X-Api 1
    }
}
proc ex_use { given } {
    return "$given $missing"
}
