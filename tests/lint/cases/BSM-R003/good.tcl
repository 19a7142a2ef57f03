# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set address [IP::client_addr]
    set key "client_[HTTP::header X-Session]"
    set path [string tolower [HTTP::path]]
    switch -glob -- [HTTP::host] {
        "api.*" { pool api_pool }
    }
    switch -glob $path {
        "/api/*" { pool api_pool }
    }
    switch [string tolower [HTTP::uri]] {
        "/" { pool web_pool }
    }
    if { [class match $address equals ex_networks] } {
        pool internal_pool
    }
    if { [class match -value -- [HTTP::host] equals ex_hosts] ne "" } {
        pool internal_pool
    }
    if { [regexp -nocase {^/[a-z]+/[0-9]+$} $path] } {
        pool web_pool
    }
    table incr -notouch $key
    table set -subtable sessions -- [HTTP::header X-Session] 1 60
    unset address
    unset -nocomplain -- key
}
