when HTTP_REQUEST priority 500 {
    set now [clock milliseconds]
}
