# Purpose: an example for the tests of the linter
proc ex_run { script } {
    eval $script
}
when HTTP_REQUEST priority 500 {
    call ex_run [URI::decode [HTTP::path]]
}
