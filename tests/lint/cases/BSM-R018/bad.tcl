# Purpose: an example for the tests of the linter
when CLIENT_ACCEPTED priority 500 {
    TCP::collect 4
}
when CLIENT_DATA priority 500 {
    binary scan [TCP::payload] cSc first length third
    if { $first == 0x80 } {
        reject
    }
    set text [format %llx $length]
    set both [expr { $third << 8 }]
    set hex [format %02x $third]
    scan $text %lld number
}
