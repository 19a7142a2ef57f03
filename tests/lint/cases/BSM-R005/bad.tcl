# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    exec date
    set name [encoding names]
    HTTP::headers insert X-Api 1
    if { [catch { frobnicate }] } {
        reject
    }

    proc ex_inner { a } {
        return $a
    }
    call ex_missing 1
    ex_known 2
    foreach one
}
proc ex_known { a } {
    return $a
}
