# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [HTTP::host] eq "old.example.com" } {
        HTTP::redirect "https://new.example.com[HTTP::uri]"
    }
    HTTP::header insert X-Checked 1
}
