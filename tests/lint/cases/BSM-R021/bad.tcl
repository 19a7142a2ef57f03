# Purpose: an example for the tests of the linter
when JSON_REQUEST priority 500 {
    set seen 1
}
