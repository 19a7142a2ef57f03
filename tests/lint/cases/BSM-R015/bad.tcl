when HTTP_REQUEST {
    pool web
}
