# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [HTTP::has_responded] } {
        return
    }
    if { [HTTP::host] eq "old.example.com" } {
        HTTP::redirect "https://new.example.com[HTTP::uri]"
        return
    }
    if { [HTTP::method] eq "TRACE" } {
        HTTP::respond 405
    } elseif { [HTTP::method] eq "OPTIONS" } {
        HTTP::respond 204
    } else {
        HTTP::header insert X-Checked 1
    }
    if { $static::ex_bye } {
        HTTP::respond 403 Connection Close
        event disable all
    }
}
