# Purpose: an example for the tests of the linter
when CLIENT_ACCEPTED priority 500 {
    TCP::collect 4
}
when CLIENT_DATA priority 500 {
    binary scan [TCP::payload] cSc first length third
    set first [expr { $first & 0xff }]
    if { $first == 0x80 && $length < 100 } {
        reject
    }
    set text [format %x $first]
    if { ($third & 0xff) == 0xff } {
        drop
    }
    scan $text %x number
}
