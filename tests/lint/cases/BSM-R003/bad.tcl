# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    switch -glob [HTTP::host] {
        "api.*" { pool api_pool }
    }
    if { [class match [HTTP::host] equals ex_hosts] } {
        pool internal_pool
    }
    set found [class search -value ex_hosts equals [HTTP::query]]
    if { [regexp $static::ex_pattern [HTTP::uri]] } {
        pool web_pool
    }
    regsub -all [HTTP::header X-Old] [HTTP::uri] {} short
}
