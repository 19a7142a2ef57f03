# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set page [HTTP::header X-Page]
    eval "pool $page"
    set text [subst $page]
    set $page 1
}
