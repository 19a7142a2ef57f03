# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set page [HTTP::header X-Page]
    set text [string map [list %PAGE% $page] "the page is %PAGE%"]
    set seen($page) 1
    set command "SSL::disable"
    eval $command
    eval [list lappend all $page]
    set error [subst "\$::errorInfo"]
    set body [subst -nocommands $static::ex_template]
}
