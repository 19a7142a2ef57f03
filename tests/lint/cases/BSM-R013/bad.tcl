# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    HTTP::header insert X-SSL-Client-Subject [X509::subject [SSL::cert 0]]
    HTTP::header insert X-Page [URI::decode [HTTP::query]]
    set token [HTTP::header Authorization]
    table set -- $token 1
    if { $static::ex_debug } {
        log local0.info "token [getfield $token " " 2]"
    }
    HTTP::redirect "https://example.com[URI::decode [HTTP::path]]"
}
