# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    if { [catch { set value [JSON::parse "{}"] } problem] } {
        HTTP::respond 400 content $problem
    }
}
