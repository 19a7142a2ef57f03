when HTTP_REQUEST priority 500 {
    switch -glob $host {
        "a*" { pool web }
    }
}
