# Purpose: answers one name itself, and drops names that are too long
when DNS_REQUEST priority 500 {
    set name [string tolower [DNS::question name]]
    if { [string length $name] > 200 } {
        DNS::drop
        return
    }
    if { $name eq "portal.example.com" and [DNS::question type] eq "A" } {
        DNS::answer insert "[DNS::question name]. 60 IN A 192.0.2.10"
        DNS::return
    }
}
