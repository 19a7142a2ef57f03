# Purpose: an example for the tests of the linter
# bigip-sm: allow-file BSM-R017 because both sides are always words
# bigip-sm: allow BSM-R015, BSM-R016 because the rule is attached alone
when HTTP_REQUEST {
    if { [HTTP::method] == "POST" and [regexp {^/api} [HTTP::path]] } {
        pool write_pool
    }
}
