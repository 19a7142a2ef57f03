# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    while { [HTTP::header exists X-SSL-Client-Subject] } {
        HTTP::header remove X-SSL-Client-Subject
    }
    HTTP::header insert X-SSL-Client-Subject [X509::subject [SSL::cert 0]]
    HTTP::header replace X-Authenticated-User $static::ex_user
    HTTP::header insert X-Forwarded-For [IP::client_addr]
    HTTP::header insert X-Page [HTTP::query]
    set page [URI::decode [HTTP::query]]
    if { [regexp -- {^[a-z0-9]+$} $page] } {
        HTTP::header insert X-Name $page
    }
    set user [HTTP::username]
    table set -- [b64encode [sha256 [HTTP::header Authorization]]] 1
    if { $static::ex_debug } {
        log local0.info "user $user"
    }
}
