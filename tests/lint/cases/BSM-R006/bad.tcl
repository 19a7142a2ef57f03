# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    pool web_pool # the default
    switch -- [HTTP::path] {
        # the start page
        "/" { pool start_pool }
    }
    set name "café"
    if { [HTTP::path] eq "/" } {
        pool start_pool
    }else{
        pool other_pool
    }
}
