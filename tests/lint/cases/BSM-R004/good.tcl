when HTTP_REQUEST priority 500 {
    set now [clock clicks -milliseconds]
    log local0. "a dict, a throw and a try"
    switch -- $now {
        dict { pool web }
        throw { pool other }
    }
}
