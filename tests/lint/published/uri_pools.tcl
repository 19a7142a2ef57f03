# Purpose: chooses the pool by path
# TMOS:    12 and newer
when HTTP_REQUEST priority 500 {
    switch -glob [string tolower [HTTP::path]] {
        "/api/v1/*" -
        "/api/v2/*" { pool api_pool }
        "/static/*" -
        "*.css" -
        "*.js" {
            pool static_pool
            COMPRESS::disable
        }
        "/health" {
            HTTP::respond 200 content "OK" "Content-Type" "text/plain"
        }
        default { pool web_pool }
    }
}
