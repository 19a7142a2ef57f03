# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    pool web_pool ;# the default
    # braces {in} comments balance
    switch -- [HTTP::path] {
        "/" {
            # the start page
            pool start_pool
        }
        "#" { pool hash_pool }
    }
    set parts [split [HTTP::path] #]
    set text "a # b"
    set other {a # b}
}
