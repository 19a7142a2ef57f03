when RULE_INIT priority 500 {
    set static::sample_debug 0
}
when HTTP_REQUEST priority 500 {
    set count $static::sample_debug
    set problem [subst "\$::errorInfo"]
    HTTP::header insert Count $count
}
