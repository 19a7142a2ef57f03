# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set key [HTTP::header X-Session]
    if { [table lookup -subtable sessions $key] eq "" } {
        table set -subtable sessions $key 1 60
        table incr -notouch "$key-count"
    }
    unset -nocomplain $static::ex_name
}
