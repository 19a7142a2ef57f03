# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    switch -- [HTTP::host] {
        "a.example.com" { set target a_pool }
        "b.example.com" { set target b_pool }
    }
    HTTP::header insert X-Target $target
}
