#
# Purpose:  sends everything to the web pool
# Requires: TMOS 15.1 or newer, http profile

when HTTP_REQUEST priority 500 {
    pool web_pool
}
