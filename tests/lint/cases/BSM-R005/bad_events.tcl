# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set started 1
}
when HTTP_REQUEST priority 500 {
    set again 1
}
when HTTP_REQUESTED priority 500 {
    pool web_pool
}
when HTTP_RESPONSE priority 500 {
    if { [HTTP::uri] starts_with "/api" } {
        HTTP::header insert X-Api 1
    }
    event disable HTTP_REQUEST
}
when RULE_INIT priority 500 {
    set static::ex_pool [LB::server pool]
    table set ex_started 1
}
when CLIENT_ACCEPTED priority 500 {
    HTTP::respond 200
}
when SERVER_CONNECTED priority 500 {
    when LB_FAILED {
        reject
    }
}
