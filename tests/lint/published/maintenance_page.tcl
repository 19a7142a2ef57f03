# Maintenance page: shown when no member of the pool is left, or when the data group says so.
# Data groups: maintenance_hosts (string)
when HTTP_REQUEST priority 500 {
    set maintenance 0
    if { [active_members web_pool] < 1 } {
        set maintenance 1
    } elseif { [class match -- [string tolower [HTTP::host]] equals maintenance_hosts] } {
        set maintenance 1
    }
    if { $maintenance } {
        HTTP::respond 503 -version auto content {
            <html>
            <head><title>Back soon</title></head>
            <body><h1>We'll be back soon</h1><p>Work is under way; please try again in an hour.</p></body>
            </html>
        } noserver "Content-Type" "text/html; charset=utf-8" "Retry-After" 3600 "Connection" "close"
        return
    }
    pool web_pool
}
