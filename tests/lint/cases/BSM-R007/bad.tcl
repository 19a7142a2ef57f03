when HTTP_REQUEST priority 500 {
    set ::count 1
}
