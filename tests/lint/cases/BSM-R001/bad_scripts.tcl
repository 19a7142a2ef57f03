# Purpose: an example for the tests of the linter
when CLIENT_CLOSED priority 500 {
    set name web_pool
    if { [catch "pool $name" problem] } {
        log local0. $problem
        return
    }
    foreach one { a b } "append text $one"
    switch -- $name "web_pool [list pool $name]"
    after 100 "log local0. $name"
}
