when HTTP_REQUEST priority 500 {
    # exec would be refused, and so would open
    set pattern {^[open cd][pwd]+$}
    foreach word {open exec} { set pattern $word }
    set found [regexp -- {a[cd] [eof]} $verb]
    switch -- $verb {
        open { pool web }
        time -
        file { pool other }
    }
}
when HTTP_RESPONSE priority 500 {
    HTTP::header remove Server
}
