# Purpose: knows the protocol by its first bytes, and chooses the pool by it
when CLIENT_ACCEPTED priority 500 {
    TCP::collect 6
}

when CLIENT_DATA priority 500 {
    binary scan [TCP::payload] H2a4 first word
    if { $first eq "16" } {
        pool tls_pool
    } elseif { [string match "SSH-*" [TCP::payload 4]] } {
        pool ssh_pool
    } elseif { [TCP::payload] starts_with "GET " or $word eq "POST" } {
        pool web_pool
    } else {
        reject
        return
    }
    TCP::release
}
