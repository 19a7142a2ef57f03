# Purpose:  passes the subject of a verified client certificate on, and nobody else's word for it
# Requires: client-ssl profile with client certificate "request", http profile
when CLIENTSSL_CLIENTCERT priority 500 {
    set subject ""
    set serial ""
    if { [SSL::cert count] > 0 and [SSL::verify_result] == 0 } {
        set certificate [SSL::cert 0]
        set subject [X509::subject $certificate]
        set serial [X509::serial_number $certificate]
    }
}

when HTTP_REQUEST priority 500 {
    foreach name { "X-SSL-Client-Subject" "X-SSL-Client-Serial" } {
        while { [HTTP::header exists $name] } {
            HTTP::header remove $name
        }
    }
    if { not [info exists subject] or $subject eq "" } {
        HTTP::respond 401 content "A client certificate is needed.\r\n"
        return
    }
    HTTP::header insert "X-SSL-Client-Subject" $subject "X-SSL-Client-Serial" $serial
}
