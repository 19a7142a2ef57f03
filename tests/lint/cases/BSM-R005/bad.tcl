when HTTP_REQUEST priority 500 {
    exec ls
}
