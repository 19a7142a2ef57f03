# Purpose: an example for the tests of the linter
# Requires: TMOS 21 or newer, json profile
when JSON_REQUEST priority 500 {
    if { [catch { set root [JSON::root] } problem] } {
        HTTP::respond 400 content $problem
    }
}
