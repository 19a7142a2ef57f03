when HTTP_REQUEST priority 500 {
    pool web ;# the default
    if { [HTTP::uri] starts_with "/a # b" } { # fine
        set parts [split $uri #]
        set sep #
    }
    # a commented { block
    # }
}
