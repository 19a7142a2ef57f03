# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set path [string tolower [HTTP::path]]
    set text "closed \[ \" here"
    if { $path eq "/" } {
        pool web_pool
    }
}
