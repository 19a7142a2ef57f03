when HTTP_REQUEST priority 500 {
    pool web_pool
}
