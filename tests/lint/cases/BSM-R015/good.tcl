when HTTP_REQUEST priority 500 {
    pool web
}
when HTTP_RESPONSE timing on priority 200 {
    HTTP::header remove Server
}
