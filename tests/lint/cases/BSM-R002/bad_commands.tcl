# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set verb [string tolower [HTTP::query]]
    $verb all
    if { [info exists static::ex_template] } {
        HTTP::respond 200 content [subst $static::ex_template]
        return
    }
    uplevel 1 $verb
    after 10 $verb
}
