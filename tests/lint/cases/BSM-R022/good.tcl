when HTTP_REQUEST priority 500 {
    pool web
}

# A single command cannot be broken: AS3 joins continuation lines without a blank.
when HTTP_RESPONSE priority 500 {
    HTTP::header insert X-A-Long-Header-Name $a_long_variable_name X-Another-Long-Header-Name $another_long_variable_name X-Third $x
}
