"""iRules in the style of those that people publish, written for these tests."""

from __future__ import annotations

TO_HTTPS = """
# Send everybody to https, keep the health check
when HTTP_REQUEST {
    if { [HTTP::uri] equals "/health" or [HTTP::uri] starts_with "/.well-known/acme-challenge/" } {
        return
    }
    HTTP::redirect "https://[getfield [HTTP::host] ":" 1][HTTP::uri]"
}
"""

MAINTENANCE = """
when RULE_INIT {
    set static::maint_page {<html><body><h1>Back soon</h1></body></html>}
}
when HTTP_REQUEST priority 100 {
    # An address of ours sees the real thing
    if { [active_members app] < 1 && !([IP::addr [IP::client_addr] equals 192.0.2.0/24]) } {
        HTTP::respond 503 content $static::maint_page noserver "Content-Type" "text/html" "Retry-After" 300
        event disable all
        return
    }
}
"""

ROUTING = """
when CLIENT_ACCEPTED {
    # remember the pool of the virtual server
    set default_pool [LB::server pool]
}
when HTTP_REQUEST {
    switch -glob [string tolower [HTTP::path]] {
        "/api/v1*" -
        "/api/v2*" {
            pool api
        }
        "*.jpg" -
        "*.css" { pool static_files }
        default {
            set wanted [class match -value -- [string tolower [HTTP::path]] starts_with path_pools]
            if { $wanted ne "" } {
                if { [catch { pool $wanted } reason] } {
                    log local0.error "no pool $wanted for [HTTP::host][HTTP::uri]: $reason"
                    HTTP::respond 404
                }
            } else {
                pool /T/A/pool
            }
        }
    }
}
"""

HEADERS = """
when HTTP_REQUEST {
    while { [HTTP::header exists "X-Forwarded-For"] } {
        HTTP::header remove "X-Forwarded-For"
    }
    HTTP::header insert X-Forwarded-For [IP::client_addr] X-Forwarded-Proto https X-Forwarded-Port [TCP::local_port]
    set host [HTTP::host]
}
when HTTP_RESPONSE {
    foreach name {Server X-Powered-By X-AspNet-Version} {
        HTTP::header remove $name
    }
    if { !([HTTP::header exists "Strict-Transport-Security"]) } {
        HTTP::header insert "Strict-Transport-Security" "max-age=[expr {365 * 86400}]; includeSubDomains"
    }
    if { [HTTP::is_redirect] } {
        HTTP::header replace Location [string map [list "http://$host" "https://$host"] [HTTP::header Location]]
    }
}
"""

RATE_LIMIT = """
when RULE_INIT {
    set static::rl_max 3
    set static::rl_window 60
}
when HTTP_REQUEST priority 500 {
    set rl_key "rl:[IP::client_addr]"
    # race-free: add does nothing if the key is there
    table add -- $rl_key 0 indefinite $static::rl_window
    if { [table incr -notouch -- $rl_key] > $static::rl_max } {
        HTTP::respond 429 content "slow down" "Retry-After" [table lifetime -remaining -- $rl_key]
        return
    }
}
"""

PENALTY_BOX = """
when HTTP_REQUEST {
    set src [IP::client_addr]
    if { [table lookup -subtable blocked -- $src] != "" } {
        reject
        return
    }
    set login [expr {[HTTP::method] eq "POST" and [HTTP::path] ends_with "/login"}]
}
when HTTP_RESPONSE {
    if { $login && [HTTP::status] == 401 } {
        set n [clock clicks]
        table set -subtable "fail:$src" -- "[TMM::cmp_unit].[incr static::pb_serial]" 1 30
        if { [table keys -subtable "fail:$src" -count] >= 3 } {
            log local0.notice "blocking $src"
            table set -subtable blocked -- $src 1 indefinite 600
            table delete -subtable "fail:$src" -all
        }
    }
}
when RULE_INIT { set static::pb_serial 0 }
"""

CLIENT_CERTIFICATE = """
when CLIENTSSL_CLIENTCERT {
    if { [SSL::cert count] > 0 } {
        set cert_error [SSL::verify_result]
        set cert_text [X509::verify_cert_error_string $cert_error]
    }
}
when HTTP_REQUEST {
    foreach h {X-Client-Subject X-Client-Issuer X-Client-Serial X-Client-Pem} { HTTP::header remove $h }
    if { [SSL::cert count] == 0 } {
        HTTP::respond 401 content "certificate needed"
        return
    } elseif { $cert_error != 0 } {
        HTTP::respond 403 content "certificate refused: $cert_text"
        return
    }
    set cert [SSL::cert 0]
    HTTP::header insert X-Client-Subject [X509::subject $cert]
    HTTP::header insert X-Client-Issuer [X509::issuer $cert]
    HTTP::header insert X-Client-Serial [X509::serial_number $cert]
    HTTP::header insert X-Client-Pem [string map {"\\n" ""} [X509::whole $cert]]
    HTTP::header insert X-Client-Thumb [b64encode [sha256 [X509::pem2der [X509::whole $cert]]]]
}
"""

JWT = """
proc b64url_decode { text } {
    set text [string map {- + _ /} $text]
    switch -- [expr {[string length $text] % 4}] {
        2 { append text "==" }
        3 { append text "=" }
    }
    return [b64decode $text]
}
when HTTP_REQUEST {
    set token [lindex [split [HTTP::header value Authorization] " "] 1]
    if { [llength [split $token "."]] != 3 } {
        HTTP::respond 401 content "no token"
        return
    }
    set head [lindex [split $token .] 0]
    set claims [lindex [split $token .] 1]
    if { [catch {
        set signature [call b64url_decode [lindex [split $token .] 2]]
        set opened [CRYPTO::decrypt -alg rsa-pub -key [class match -value -- "jwt" equals keys] $signature]
        binary scan $opened H* found
        binary scan [sha256 "$head.$claims"] H* digest
        set good [expr {$found eq "3031300d060960864801650304020105000420$digest"}]
        set payload [call b64url_decode $claims]
    } reason] } {
        log local0.warn "token refused: $reason"
        set good 0
    }
    if { !$good } {
        HTTP::respond 401 content "bad token"
        return
    }
    set expires [findstr $payload "\\"exp\\":" 6 ","]
    set expires [string trimright $expires "\\}"]
    if { ![string is integer -strict $expires] || $expires < [clock seconds] } {
        HTTP::respond 401 content "expired"
        return
    }
    HTTP::header remove Authorization
    HTTP::header insert X-User [findstr $payload "\\"sub\\":\\"" 7 "\\""]
}
"""

SCRUB = """
when HTTP_REQUEST {
    # no compression, so that there is something to read
    HTTP::header remove Accept-Encoding
}
when HTTP_RESPONSE {
    if { [HTTP::header Content-Type] starts_with "text/" } {
        if { [HTTP::header exists Content-Length] && [HTTP::header Content-Length] <= 1048576 } {
            set content_length [HTTP::header Content-Length]
        } else {
            set content_length 1048576
        }
        if { $content_length > 0 } { HTTP::collect $content_length }
    }
}
when HTTP_RESPONSE_DATA {
    set places [regexp -all -inline -indices {\\d{3}-\\d{2}-\\d{4}} [HTTP::payload]]
    foreach place $places {
        set start [lindex $place 0]
        set length [expr {[lindex $place 1] - $start + 1}]
        HTTP::payload replace $start $length [string repeat X $length]
    }
    if { [llength $places] } { log local0.info "[llength $places] numbers hidden" }
    HTTP::release
}
"""

RETRY = """
when CLIENT_ACCEPTED { set retries 0 }
when HTTP_REQUEST {
    set request_headers [HTTP::request]
    if { [HTTP::method] eq "GET" } { set lb_retries 0 } else { set lb_retries 99 }
}
when LB_FAILED {
    if { $lb_retries < [active_members [LB::server pool]] } {
        incr lb_retries
        LB::reselect
    } else {
        HTTP::respond 502 content "nobody answers"
    }
}
when HTTP_RESPONSE {
    if { [HTTP::status] starts_with "5" and $retries < 2 and $lb_retries != 99 } {
        incr retries
        log local0. "status [HTTP::status] from [LB::server addr], try $retries"
        HTTP::retry $request_headers
    } else {
        HTTP::header insert X-Retries $retries
        set retries 0
    }
}
"""

ACCESS_LOG = """
when CLIENT_ACCEPTED {
    set hsl [HSL::open -proto UDP -pool logs]
}
when HTTP_REQUEST {
    set t0 [clock clicks -milliseconds]
    set line "[virtual name] [IP::client_addr]:[TCP::client_port] [HTTP::method] [HTTP::host][URI::decode [HTTP::path]]"
    append line " ua=\\"[string map {\\" '} [HTTP::header User-Agent]]\\" tls=[SSL::cipher version]"
}
when HTTP_RESPONSE {
    set t1 [clock clicks -milliseconds]
    set size [HTTP::header Content-Length]
    if { $size eq "" } { set size - }
    HSL::send $hsl "<134>$line -> [HTTP::status] $size [LB::server addr] [expr {$t1 - $t0}]ms\\n"
}
"""

AB_TEST = """
when RULE_INIT { array set static::ab_pools {a /T/A/pool b beta} }
when HTTP_REQUEST {
    set ab_new 0
    if { [HTTP::cookie exists ab] and [info exists static::ab_pools([HTTP::cookie ab])] } {
        set ab [HTTP::cookie ab]
    } else {
        set ab_new 1
        set ab [expr {[HTTP::header exists X-Beta] ? "b" : rand() < 0 ? "b" : "a"}]
    }
    HTTP::cookie remove ab
    pool $static::ab_pools($ab)
}
when HTTP_RESPONSE {
    if { $ab_new } {
        HTTP::cookie insert name ab value $ab path "/"
        HTTP::cookie secure ab enable
        HTTP::cookie httponly ab enable
        HTTP::cookie maxage ab 3600
    }
}
"""

BASIC_AUTH = """
when HTTP_REQUEST {
    if { [class match -- [IP::client_addr] equals trusted_networks] } { return }
    binary scan [sha256 [HTTP::password]] H* hashed
    if { [HTTP::username] eq "" or [class lookup [HTTP::username] users] ne $hashed } {
        HTTP::respond 401 content "who are you?" WWW-Authenticate "Basic realm=\\"[virtual name]\\""
    }
}
"""

EVENT_STREAM = """
when HTTP_RESPONSE {
    set sse [expr {[HTTP::header Content-Type] contains "event-stream"}]
    if { $sse } {
        HTTP::header remove Content-Length
        set rest ""
        set tokens 0
        HTTP::collect 1
    }
}
when HTTP_RESPONSE_DATA {
    append rest [HTTP::payload]
    set out ""
    while { [set end [string first "\\n\\n" $rest]] >= 0 } {
        set message [string range $rest 0 [expr {$end + 1}]]
        set rest [string range $rest [expr {$end + 2}] end]
        incr tokens
        append out [string map {secret ****} $message]
    }
    HTTP::payload replace 0 [HTTP::payload length] $out
    HTTP::release
    HTTP::collect 1
}
when CLIENT_CLOSED {
    if { [info exists tokens] } { log local0.info "$tokens messages" }
}
"""
