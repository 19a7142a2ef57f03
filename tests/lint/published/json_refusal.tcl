# Purpose: answers refusals as JSON
# Data groups: api_keys (string, SHA-256 of the key in hex := name of the client)
proc json_refusal { status code message } {
    set body "{\"error\":{\"code\":\"$code\",\"message\":\"$message\"}}"
    HTTP::respond $status content $body noserver "Content-Type" "application/json" "Cache-Control" "no-store"
}

when HTTP_REQUEST priority 500 {
    if { not ([HTTP::path -normalized] starts_with "/api/") } {
        call json_refusal 404 "not_found" "there is nothing here"
        return
    }
    if { not [HTTP::header exists "X-Api-Key"] } {
        call json_refusal 401 "no_key" "send an API key"
        return
    }
    binary scan [sha256 [HTTP::header value "X-Api-Key"]] H* digest
    set client [class match -value -- $digest equals api_keys]
    if { $client eq "" } {
        call json_refusal 403 "bad_key" "this key is not known"
        return
    }
    HTTP::header remove "X-Api-Key"
    HTTP::header replace "X-Client-Name" $client
    pool api_pool
}
