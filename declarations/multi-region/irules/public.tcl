# bigip-sm: gateway worldwide, listener public
#
# Purpose:     names the caller, decides, signs for AWS with the rotator's credentials, forwards.
# Requires:    TMOS 15.1 or newer; client-ssl, http, OneConnect and server-ssl profiles.
# Data groups: /worldwide/gateway/routes_public, /worldwide/gateway/access
#              /worldwide/gateway/limits
#              /worldwide/gateway/failover
#              /worldwide/gateway/regions
#              /bigip_sm/worldwide.weights (filled by bigip-sm weights)
#              and, filled by the rotator:
#              /bigip_sm/worldwide.models
# CMP:         no globals and no static variables; runs on every TMM.
# Generated:   change gateway.yaml and render again instead of editing this text.

# Every refusal is made here: one reason, in the header and in the body. docs/reasons.md explains each.
# @param reason      its code
# @param request_id  id of this request
# @param connection  close where the body of the request may not have been read
# @param allow       methods of the path, for 405 only
# @param retry       seconds until it is worth another try, or empty
# @param limits      names and values of headers about a limit: none, two or three
proc bsm_refuse {reason request_id connection {allow ""} {retry ""} {limits ""}} {
    switch -exact -- $reason {
        header-invalid {
            set status 400
            set message "a request header is malformed, repeated or too long"
        }
        path-not-normalized {
            set status 400
            set message "the path is not in its normal form"
        }
        query-invalid {
            set status 400
            set message "the query string is malformed, too long, or holds an X-Amz- parameter"
        }
        unauthenticated {
            set status 401
            set message "no identity: present a credential that this gateway accepts"
        }
        client-certificate-untrusted {
            set status 401
            set message "the client certificate does not chain to a trusted CA"
        }
        client-certificate-unusable {
            set status 401
            set message "the client certificate does not name a caller of this gateway"
        }
        not-allowed {
            set status 403
            set message "this caller may not use this route"
        }
        version-not-allowed {
            set status 403
            set message "this caller may not choose this version of the model"
        }
        no-route {
            set status 404
            set message "no route has this path"
        }
        method-not-allowed {
            set status 405
            set message "this path does not take this method"
        }
        length-required {
            set status 411
            set message "send a Content-Length"
        }
        body-too-large {
            set status 413
            set message "the body is larger than this route allows"
        }
        content-encoding-refused {
            set status 415
            set message "send the body without Content-Encoding"
        }
        expectation-failed {
            set status 417
            set message "the only expectation that can be met is 100-continue"
        }
        unknown-host {
            set status 421
            set message "this host name is not served here"
        }
        internal-error {
            set status 500
            set message "the gateway could not handle the request"
        }
        aws-refused {
            set status 502
            set message "AWS refused the gateway's own credentials"
        }
        upstream-unreachable {
            set status 502
            set message "no connection to the model's endpoint could be made"
        }
        no-region-available {
            set status 503
            set message "no region of this model's endpoint is available"
        }
        circuit-open {
            set status 503
            set message "the model has failed several times: try again later"
        }
        credentials-missing {
            set status 503
            set message "the gateway has no AWS credentials for this route"
        }
        credentials-expired {
            set status 503
            set message "the gateway's AWS credentials for this route have expired"
        }
        credentials-invalid {
            set status 503
            set message "the gateway's AWS credentials for this route are not in the expected form"
        }
        default {
            set status 500
            set message "the gateway could not handle the request"
        }
    }
    set details "\"type\":\"gateway_error\",\"param\":null,\"code\":\"$reason\",\"request_id\":\"$request_id\""
    set body "{\"error\":{\"message\":\"$message\",$details}}"
    set type application/json
    if {$allow ne ""} {
        HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Allow $allow
        return
    }
    if {$retry ne ""} {
        foreach {name1 value1 name2 value2 name3 value3} $limits {
            break
        }
        switch -exact -- [llength $limits] {
            6 {
                HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Retry-After $retry $name1 $value1 $name2 $value2 $name3 $value3
            }
            4 {
                HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Retry-After $retry $name1 $value1 $name2 $value2
            }
            default {
                HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Retry-After $retry
            }
        }
        return
    }
    HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection
}

# Whether a path is in the normal form of RFC 3986, section 6.2.2: no empty and no dot segments, nothing encoded that
# needs no encoding, escapes in upper case. An encoded slash or backslash is never normal here.
proc bsm_is_normal {path} {
    if {[string length $path] > 1024 || [regexp -- {//|/[.][.]?(?:/|$)} $path]} {
        return 0
    }
    set escape {%(?:2[0-9A-C]|3[A-F]|40|5[BDE]|60|7[BCD]|[89A-F][0-9A-F])}
    return [regexp -- "^/(?:\[A-Za-z0-9._~!\$&'()*+,;=:@/-\]|$escape)*\$" $path]
}

# The canonical form of a name or value of the query (SigV4): everything but A-Z a-z 0-9 - . _ ~ percent-encoded in
# upper case. A plus sign means a blank, as browsers and SDKs mean it.
# Raises an error for a broken percent-encoding.
proc bsm_encode {raw} {
    set reserved {! %21 $ %24 ' %27 ( %28 ) %29 * %2A + %20 , %2C / %2F : %3A ; %3B = %3D ? %3F @ %40}
    set pieces [split $raw %]
    set encoded [string map $reserved [lindex $pieces 0]]
    foreach piece [lrange $pieces 1 end] {
        set hex [string toupper [string range $piece 0 1]]
        if {![regexp -- {^[0-9A-F][0-9A-F]$} $hex]} {
            error "broken percent-encoding"
        }
        if {[regexp -- {^(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])$} $hex]} {
            scan $hex %x code
            append encoded [format %c $code]
        } else {
            append encoded % $hex
        }
        append encoded [string map $reserved [string range $piece 2 end]]
    }
    return $encoded
}

# The canonical query (SigV4): sorted by name, then value. It is also what is sent, so what is signed is what arrives.
# Raises an error for anything that is no query, or that tries to pass a signature of its own.
proc bsm_query {raw} {
    if {[string length $raw] > 4096 || ![regexp -- {^[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*$} $raw]} {
        error "not a query"
    }
    set pairs [list]
    foreach pair [split $raw &] {
        if {$pair eq ""} {
            continue
        }
        set value ""
        set at [string first = $pair]
        if {$at >= 0} {
            set value [string range $pair [expr {$at + 1}] end]
            set pair [string range $pair 0 [expr {$at - 1}]]
        }
        set name [call bsm_encode $pair]
        if {[string match -nocase x-amz-* $name]} {
            error "a signature in the query"
        }
        # A blank sorts before every character of an encoded name, which the equals sign does not.
        lappend pairs "$name [call bsm_encode $value]"
    }
    return [string map {" " =} [join [lsort $pairs] &]]
}

# The signature of AWS Signature Version 4 (AWS: "Create a signed AWS API request"), hex. With the caller's hash of the
# body two SHA-256 and one HMAC, because the rotator has already derived the signing key.
# @param request  canonical request
# @param stamp    time of signing, YYYYMMDDTHHMMSSZ
# @param scope    credential scope
# @param key      signing key, hex
proc bsm_signature {request stamp scope key} {
    binary scan [CRYPTO::hash -alg sha256 $request] H* hash
    binary scan [CRYPTO::sign -alg hmac-sha256 -keyhex $key "AWS4-HMAC-SHA256\n$stamp\n$scope\n$hash"] H* signature
    return $signature
}

# How long a region of an upstream is still skipped, seconds; 0 or less if it is not.
proc bsm_circuit_open {upstream region} {
    return [table lifetime -remaining -- "bigip-sm worldwide open $upstream $region"]
}

# Counts a failure of a region. As many as the circuit allows in a window, and all TMMs skip the region for a while;
# then it is tried again, and the next failure in the same window opens the circuit at once.
proc bsm_circuit_failed {upstream region} {
    set fields [split [class match -value -- circuit/$upstream equals /worldwide/gateway/limits] |]
    if {[lindex $fields 0] ne "1"} {
        return
    }
    foreach {version failures window open} $fields {
        break
    }
    set key "bigip-sm worldwide failures $upstream $region [expr {[clock seconds] / $window}]"
    table add -notouch -- $key 0 indefinite $window
    set count [table incr -notouch -- $key]
    if {$count >= $failures} {
        table set -notouch -- "bigip-sm worldwide open $upstream $region" 1 indefinite $open
        if {$count == $failures} {
            log local0.warning "bigip-sm worldwide/public: $region of upstream $upstream is skipped for $open s"
        }
    }
}

# Chooses the region, takes its credentials, signs and forwards. Refuses if it cannot.
# @param target        fields of the route's record
# @param principal     identity:subject
# @param query         canonical query
# @param content_type  value of the Content-Type header, or empty
# @param payload_hash  SHA-256 of the body, hex; empty on bearer routes
# @param failed        region that did not take the request; then only what another region needs is returned
# @return region that the request goes to, or empty if it was refused; after a failure also its pool and headers, or
#         empty if there is no other region
proc bsm_forward {target principal query content_type payload_hash bsm_id bsm_connection {failed ""}} {
    foreach {version route scheme service upstream role limit path regions} $target {
        break
    }

    # Choice before signature: region, host and credentials follow the pool.
    set region ""
    set skipped 0
    set breaks [expr {[lsearch -exact [split [lindex $target 9] ,] circuit] >= 0}]
    foreach choice [split $regions ,] {
        foreach {candidate host} [split $choice =] {
            break
        }
        if {$candidate eq $failed} {
            continue
        }
        set pool /worldwide/gateway/pool_${upstream}_[string map {- _} $candidate]
        if {[active_members $pool] > 0} {
            if {$breaks} {
                set rest [call bsm_circuit_open $upstream $candidate]
                if {$rest > 0} {
                    set skipped $rest
                    continue
                }
            }
            set region $candidate
            break
        }
    }
    if {$region eq "" && $failed ne ""} {
        return ""
    }
    if {$region eq "" && $skipped} {
        call bsm_refuse circuit-open $bsm_id $bsm_connection "" $skipped [list]
        return ""
    }
    if {$region eq ""} {
        call bsm_refuse no-region-available $bsm_id $bsm_connection
        return ""
    }

    set now [clock seconds]
    set stamp [clock format $now -gmt 1 -format %Y%m%dT%H%M%SZ]
    set date [string range $stamp 0 7]
    if {$scheme eq "sigv4"} {
        set key sigv4/$service/$region/$date
    } else {
        set key bearer/$region
    }
    set record ""
    switch -exact -- $role {
        models {
            set record [class match -value -- $key equals /bigip_sm/worldwide.models]
        }
    }
    if {$record eq ""} {
        call bsm_refuse credentials-missing $bsm_id $bsm_connection
        return ""
    }
    set fields [split $record |]
    set count [llength $fields]
    set not_after ""
    if {$scheme eq "sigv4" && $count == 5 && [string length [lindex $fields 2]] == 64} {
        if {[string is xdigit -strict [lindex $fields 2]]} {
            set not_after [lindex $fields 3]
        }
    }
    if {$scheme eq "bearer" && $count == 3} {
        set not_after [lindex $fields 1]
    }
    set token [lindex $fields end]
    if {[string length $not_after] != 10 || ![regexp -- {^[1-9][0-9]*$} $not_after]} {
        set not_after 9999999999
    }
    if {[lindex $fields 0] ne "1" || $token eq ""} {
        set not_after 9999999999
    }
    # No STS session lives longer than 12 hours.
    if {$not_after > $now + 43200} {
        call bsm_refuse credentials-invalid $bsm_id $bsm_connection
        return ""
    }
    if {$not_after <= $now + 30} {
        call bsm_refuse credentials-expired $bsm_id $bsm_connection
        return ""
    }

    # Path and headers. On the way to another region only the headers that follow it change.
    if {$failed eq ""} {
        HTTP::uri [expr {$query eq "" ? $path : "$path?$query"}]
        HTTP::header replace Host $host
    }
    if {$scheme eq "sigv4"} {
        # SageMaker drops every header it does not know; these two reach the model. The subject's alphabet is bounded,
        # so encoding these characters is enough to keep it from adding an attribute.
        set attributes principal=[string map {" " %20 + %2B , %2C / %2F : %3A = %3D @ %40} $principal],route=$route
        set headers ""
        set signed ""
        if {$content_type ne ""} {
            set headers "content-type:$content_type\n"
            set signed "content-type;"
        }
        append headers "host:$host\nx-amz-date:$stamp\nx-amz-security-token:$token\n"
        append headers "x-amzn-sagemaker-custom-attributes:$attributes\nx-amzn-sagemaker-inference-id:$bsm_id\n"
        append signed "host;x-amz-date;x-amz-security-token;"
        append signed "x-amzn-sagemaker-custom-attributes;x-amzn-sagemaker-inference-id"
        set request "[HTTP::method]\n$path\n$query\n$headers\n$signed\n$payload_hash"
        set scope $date/$region/$service/aws4_request
        set signature [call bsm_signature $request $stamp $scope [lindex $fields 2]]
        set credential "Credential=[lindex $fields 1]/$scope, SignedHeaders=$signed, Signature=$signature"
        if {$failed ne ""} {
            set sent [list Host $host X-Amz-Date $stamp X-Amz-Security-Token $token Authorization "AWS4-HMAC-SHA256 $credential"]
            lappend sent X-Amzn-SageMaker-Custom-Attributes $attributes X-Amzn-SageMaker-Inference-Id $bsm_id
        } else {
            # One command for all, since none of them is there: strip has seen to it.
            HTTP::header insert X-Amz-Date $stamp X-Amz-Security-Token $token Authorization "AWS4-HMAC-SHA256 $credential" X-Amzn-SageMaker-Custom-Attributes $attributes X-Amzn-SageMaker-Inference-Id $bsm_id
        }
    }
    if {$scheme eq "bearer"} {
        set sent [list Host $host Authorization "Bearer $token"]
        if {$failed eq ""} {
            HTTP::header insert Authorization "Bearer $token"
        }
    }
    if {$failed ne ""} {
        return [list $region $pool $sent]
    }
    pool $pool
    return $region
}

# Whether a request may go to another region after an answer of AWS: if that answer says that nothing was done, or the
# upstream allows more, if there is another region, and within the upstream's budget of such requests.
# @param status  status of the answer
# @param type    value of X-Amzn-ErrorType, or empty
# @param target  fields of the route's record
# @param failed  region that answered
# @return 1 if it may; 2 if only the budget is in the way; else 0
proc bsm_may_retry {status type target failed} {
    set kind ""
    regexp -- {^[A-Za-z]{1,64}} $type kind
    switch -exact -- "$status $kind" {
        "400 ThrottlingException" - "429 ThrottlingException" - "429 ModelNotReadyException" - "503 ServiceUnavailable" -
        "503 ServiceUnavailableException" {
            set unbilled 1
        }
        default {
            if {[lsearch -exact {500 502 503 504 530} $status] < 0} {
                return 0
            }
            set unbilled 0
        }
    }
    foreach {version route scheme service upstream role limit path regions} $target {
        break
    }
    foreach {version percent billed} [split [class match -value -- $upstream equals /worldwide/gateway/failover] |] {
        break
    }
    if {$version ne "1" || (!$unbilled && !$billed)} {
        return 0
    }
    set others 0
    set breaks [expr {[lsearch -exact [split [lindex $target 9] ,] circuit] >= 0}]
    foreach choice [split $regions ,] {
        set candidate [lindex [split $choice =] 0]
        # A region that is skipped is no help, and the answer that is there tells the caller more.
        if {$breaks && [call bsm_circuit_open $upstream $candidate] > 0} {
            continue
        }
        if {$candidate ne $failed} {
            incr others [active_members /worldwide/gateway/pool_${upstream}_[string map {- _} $candidate]]
        }
    }
    if {!$others} {
        return 0
    }
    set turn [expr {[clock seconds] / 10}]
    set asked [table lookup -notouch -- "bigip-sm worldwide asked $upstream $turn"]
    if {$asked eq ""} {
        set asked 0
    }
    set key "bigip-sm worldwide again $upstream $turn"
    table add -notouch -- $key 0 indefinite 20
    return [expr {[table incr -notouch -- $key] * 100 <= $asked * $percent + 300 ? 1 : 2}]
}

# The request as it would be sent, without what follows the region; counts it for the budget.
# @param upstream  its name
# @param nonce     what tells it from any request of a client
# @param body      its body
proc bsm_whole {upstream nonce body} {
    set key "bigip-sm worldwide asked $upstream [expr {[clock seconds] / 10}]"
    table add -notouch -- $key 0 indefinite 20
    table incr -notouch -- $key
    set head "[HTTP::method] [HTTP::uri] HTTP/1.1\r\nX-Gateway-Retry: $nonce\r\n"
    set left {authorization x-amz-date x-amz-security-token content-length transfer-encoding connection}
    foreach name [HTTP::header names] {
        if {[lsearch -exact $left [string tolower $name]] < 0} {
            append head "$name: [HTTP::header value $name]\r\n"
        }
    }
    return "${head}Content-Length: [string length $body]\r\n\r\n$body"
}

# The weights in force: those of the group of weights if they are whole, those of gateway.yaml if not.
# @param key      key in the group of weights
# @param initial  <name>=<percent>,...
# @return name and percent of each, in the order of gateway.yaml
proc bsm_weights {key initial} {
    set given [class match -value -- $key equals /bigip_sm/worldwide.weights]
    set found [list]
    set sum 0
    if {[string length $given] < 1000 && [regexp -- {\A1[|][a-z0-9_-]+=[0-9]{1,3}(?:,[a-z0-9_-]+=[0-9]{1,3})*\Z} $given]} {
        foreach pair [split $initial ,] {
            set name [lindex [split $pair =] 0]
            set weight 0
            foreach now [split [string range $given 2 end] ,] {
                if {[lindex [split $now =] 0] eq $name} {
                    if {[scan [lindex [split $now =] 1] %3d weight] != 1} {
                        set weight 0
                    }
                }
            }
            incr sum $weight
            lappend found $name $weight
        }
    }
    if {$sum != 100} {
        set found [list]
        foreach pair [split $initial ,] {
            lappend found [lindex [split $pair =] 0] [lindex [split $pair =] 1]
        }
    }
    return $found
}

# The name that a number of 0 or more, and less than the sum of the weights, falls to.
proc bsm_drawn {weights number} {
    foreach {name weight} $weights {
        incr number [expr {-$weight}]
        if {$number < 0} {
            return $name
        }
    }
    return ""
}

# Whether a header's value is one of those that may be sent; one that ends in an asterisk stands for all that begin so.
proc bsm_is_listed {value words} {
    if {[lsearch -exact $words *] >= 0} {
        return 1
    }
    if {![regexp -- {\A[A-Za-z0-9_./:=+@-]+\Z} $value] || [string first .. $value] >= 0} {
        return 0
    }
    foreach word $words {
        if {$word eq $value} {
            return 1
        }
        if {[string match {*[*]} $word]} {
            set start [string range $word 0 end-1]
            if {[string equal -length [string length $start] $start $value]} {
                return 1
            }
        }
    }
    return 0
}

# Fires for resumed sessions too, so that their identity is the one of the session's certificate.
when CLIENTSSL_HANDSHAKE priority 500 {
    set bsm_certificate untrusted
    set bsm_common_name ""
    if {[catch {
        if {[SSL::cert count] == 0} {
            set bsm_certificate none
        } elseif {[SSL::verify_result] == 0} {
            set bsm_common_name [X509::subject [SSL::cert 0] commonName]
            if {[regexp -- {^[A-Za-z0-9 ._@+=,:/-]{1,128}$} $bsm_common_name]} {
                set bsm_certificate verified
            } else {
                set bsm_certificate unusable
            }
        }
    } bsm_error] == 1} {
        set bsm_certificate untrusted
        log local0.err "bigip-sm worldwide/public: a client certificate could not be read"
    }
}

when HTTP_REQUEST priority 500 {
    if {[info exists bsm_retrying] && $bsm_retrying && [HTTP::header value X-Gateway-Retry] eq $bsm_nonce} {
        set bsm_retrying 0
        set bsm_forwarded 0
        set bsm_stage retry
        if {[catch {
            HTTP::header remove X-Gateway-Retry
            set bsm_failed [lindex $bsm_region 0]
            set bsm_other [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive $bsm_failed]
            if {[llength $bsm_other]} {
                foreach {bsm_name bsm_value} [lindex $bsm_other 2] {
                    HTTP::header replace $bsm_name $bsm_value
                }
                pool [lindex $bsm_other 1]
                set bsm_region [lindex $bsm_other 0]
                set bsm_forwarded 1
            } elseif {![HTTP::has_responded]} {
                call bsm_refuse no-region-available $bsm_id keep-alive
            }
        } bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: request $bsm_id failed in stage $bsm_stage"
            if {![HTTP::has_responded]} {
                call bsm_refuse internal-error $bsm_id $bsm_connection
            }
        }
        return
    }
    set bsm_retrying 0
    set bsm_whole ""
    set bsm_stage read
    set bsm_forwarded 0
    set bsm_connection close
    set bsm_region ""
    set bsm_tried 0
    set bsm_replaced [list]
    set bsm_hash ""
    set bsm_high [expr {int(rand() * 4294967295.0)}]
    set bsm_id [format %02x-%08x%08x [TMM::cmp_unit] $bsm_high [expr {int(rand() * 4294967295.0)}]]
    if {[catch {
        set bsm_stage read
        set bsm_method [HTTP::method]
        set bsm_path [HTTP::path]
        set bsm_type ""
        set bsm_length ""
        set bsm_transfer ""
        set bsm_expect ""
        set bsm_encoding ""
        set bsm_sent [list]
        set bsm_host [HTTP::host]
        if {[lsearch -exact {models.example.com} [lindex [split [string tolower $bsm_host] :] 0]] < 0} {
            call bsm_refuse unknown-host $bsm_id $bsm_connection
            return
        }

        set bsm_stage strip
        # Nothing of the caller's goes on but these headers: no forged identity, no signature, no hop-by-hop header.
        set bsm_kept [list]
        set bsm_values ""
        foreach bsm_name [HTTP::header names] {
            set bsm_lower [string tolower $bsm_name]
            set bsm_stays 1
            switch -exact -- $bsm_lower {
                host {
                    set bsm_value $bsm_host
                }
                accept {
                    set bsm_value [HTTP::header value $bsm_name]
                }
                content-type {
                    set bsm_value [HTTP::header value $bsm_name]
                    set bsm_type [string trim $bsm_value]
                }
                content-length {
                    set bsm_value [HTTP::header value $bsm_name]
                    set bsm_length $bsm_value
                }
                transfer-encoding {
                    set bsm_value [HTTP::header value $bsm_name]
                    set bsm_transfer [string tolower $bsm_value]
                }
                expect {
                    set bsm_expect [string tolower [HTTP::header value $bsm_name]]
                    set bsm_stays 0
                }
                content-encoding {
                    set bsm_encoding [string tolower [HTTP::header value $bsm_name]]
                    set bsm_stays 0
                }
                x-gateway-version {
                    # SigV4 signs a header's value with single blanks.
                    regsub -all -- { +} [string trim [HTTP::header value $bsm_name]] " " bsm_value
                    if {[string length $bsm_value] > 1024 || ![regexp -- {^[\x20-\x7e]*$} $bsm_value]} {
                        call bsm_refuse header-invalid $bsm_id $bsm_connection
                        return
                    }
                    lappend bsm_sent x-gateway-version $bsm_value
                    set bsm_stays 0
                }
                default {
                    HTTP::header remove $bsm_name
                    continue
                }
            }
            if {$bsm_stays} {
                if {[string length $bsm_value] > 1024} {
                    call bsm_refuse header-invalid $bsm_id $bsm_connection
                    return
                }
                append bsm_values $bsm_value
                lappend bsm_kept $bsm_lower
            } else {
                if {[HTTP::header count $bsm_name] > 1} {
                    call bsm_refuse header-invalid $bsm_id $bsm_connection
                    return
                }
                HTTP::header remove $bsm_name
            }
        }
        if {![regexp -- {^[\x20-\x7e]*$} $bsm_values]} {
            call bsm_refuse header-invalid $bsm_id $bsm_connection
            return
        }
        if {[HTTP::header count] != [llength [lsort -unique $bsm_kept]]} {
            # Some name was there more than once.
            foreach bsm_name [HTTP::header names] {
                if {[lsearch -exact $bsm_kept [string tolower $bsm_name]] < 0} {
                    while {[HTTP::header exists $bsm_name]} {
                        HTTP::header remove $bsm_name
                    }
                } elseif {[HTTP::header count $bsm_name] > 1} {
                    call bsm_refuse header-invalid $bsm_id $bsm_connection
                    return
                }
            }
        }
        if {$bsm_transfer eq "" && ($bsm_length eq "" || $bsm_length eq "0")} {
            set bsm_connection keep-alive
        }
        if {$bsm_type eq ""} {
            HTTP::header remove Content-Type
        } elseif {[string first "  " $bsm_type] >= 0} {
            # SigV4 signs a header's value with single blanks.
            regsub -all -- { +} $bsm_type " " bsm_type
        }

        set bsm_stage authenticate
        set bsm_identity ""
        set bsm_subject ""
        switch -exact -- $bsm_certificate {
            verified {
                if {$bsm_identity eq ""} {
                    set bsm_identity staff
                    set bsm_subject $bsm_common_name
                }
            }
            none {
            }
            unusable {
                call bsm_refuse client-certificate-unusable $bsm_id $bsm_connection
                return
            }
            default {
                call bsm_refuse client-certificate-untrusted $bsm_id $bsm_connection
                return
            }
        }
        if {$bsm_identity eq ""} {
            call bsm_refuse unauthenticated $bsm_id $bsm_connection
            return
        }

        set bsm_stage route
        set bsm_target [class match -value -- "$bsm_method $bsm_path" equals /worldwide/gateway/routes_public]
        if {$bsm_target eq ""} {
            # A path that equals a route's is in normal form already; any other has to prove it.
            if {![call bsm_is_normal $bsm_path]} {
                call bsm_refuse path-not-normalized $bsm_id $bsm_connection
                return
            }
        }
        if {$bsm_target eq ""} {
            set bsm_allow [class match -value -- "* $bsm_path" equals /worldwide/gateway/routes_public]
            if {$bsm_allow ne ""} {
                call bsm_refuse method-not-allowed $bsm_id $bsm_connection $bsm_allow
            } else {
                call bsm_refuse no-route $bsm_id $bsm_connection
            }
            return
        }
        set bsm_target [split $bsm_target |]
        set bsm_route [lindex $bsm_target 1]
        set bsm_scheme [lindex $bsm_target 2]
        set bsm_limit [lindex $bsm_target 6]
        set bsm_stages [split [lindex $bsm_target 9] ,]

        set bsm_stage authorize
        # A record without a subject stands for every subject of the identity.
        if {![class match -- "$bsm_route|$bsm_identity:$bsm_subject" equals /worldwide/gateway/access]} {
            if {![class match -- "$bsm_route|$bsm_identity:" equals /worldwide/gateway/access]} {
                call bsm_refuse not-allowed $bsm_id $bsm_connection
                return
            }
        }

        set bsm_stage limit
        set bsm_query ""
        if {[HTTP::query] ne "" && [catch {call bsm_query [HTTP::query]} bsm_query]} {
            call bsm_refuse query-invalid $bsm_id $bsm_connection
            return
        }
        if {$bsm_encoding ne "" && $bsm_encoding ne "identity"} {
            call bsm_refuse content-encoding-refused $bsm_id $bsm_connection
            return
        }
        if {![regexp -- {^[0-9]*$} $bsm_length] || ($bsm_transfer ne "" && $bsm_transfer ne "chunked")} {
            call bsm_refuse header-invalid $bsm_id $bsm_connection
            return
        }
        # A leading zero would make Tcl read the number as octal; more than nine digits is more than any limit.
        set bsm_size 0
        if {$bsm_length ne ""} {
            scan $bsm_length %d bsm_size
        }
        if {[string length $bsm_length] > 9 || $bsm_size > $bsm_limit} {
            call bsm_refuse body-too-large $bsm_id $bsm_connection
            return
        }
        if {$bsm_expect ne "" && $bsm_expect ne "100-continue"} {
            call bsm_refuse expectation-failed $bsm_id $bsm_connection
            return
        }

        set bsm_stage collect
        set bsm_caller $bsm_identity:$bsm_subject
        if {$bsm_scheme eq "bearer"} {
            # The token does not cover the body, so the body streams through in both directions.
            if {$bsm_transfer ne ""} {
                call bsm_refuse length-required $bsm_id $bsm_connection
                return
            }
            if {[lsearch -exact $bsm_stages canary] >= 0} {
                set bsm_record [split [class match -value -- route/$bsm_route equals /worldwide/gateway/regions] |]
                set bsm_weighed [call bsm_weights $bsm_route [lindex $bsm_record 1]]
                binary scan [CRYPTO::hash -alg sha256 "$bsm_route $bsm_caller"] I bsm_draw
                set bsm_version [call bsm_drawn $bsm_weighed [expr {($bsm_draw & 0x7fffffff) % 100}]]
                foreach {bsm_name bsm_value} $bsm_sent {
                    if {$bsm_name eq "x-gateway-version"} {
                        set bsm_may [class match -- "version/$bsm_route|$bsm_caller" equals /worldwide/gateway/regions]
                        set bsm_at [lsearch -exact $bsm_weighed $bsm_value]
                        if {!$bsm_may || $bsm_at < 0 || $bsm_at % 2} {
                            call bsm_refuse version-not-allowed $bsm_id $bsm_connection
                            return
                        }
                        set bsm_version $bsm_value
                    }
                }
                set bsm_record [split [class match -value -- upstream/$bsm_version equals /worldwide/gateway/regions] |]
                if {[lindex $bsm_record 0] ne "1"} {
                    call bsm_refuse internal-error $bsm_id $bsm_connection
                    return
                }
                set bsm_target [lreplace $bsm_target 4 4 $bsm_version]
                set bsm_target [lreplace $bsm_target 7 8 [lindex $bsm_record 1] [lindex $bsm_record 2]]
            }
            set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type "" $bsm_id $bsm_connection]
            if {$bsm_region ne ""} {
                set bsm_forwarded 1
                if {$bsm_expect ne ""} {
                    SSL::respond "HTTP/1.1 100 Continue\r\n\r\n"
                }
            }
            return
        }
        if {$bsm_size == 0 && $bsm_transfer eq ""} {
            # SHA-256 of nothing.
            set bsm_hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            if {[lsearch -exact $bsm_stages canary] >= 0} {
                set bsm_record [split [class match -value -- route/$bsm_route equals /worldwide/gateway/regions] |]
                set bsm_weighed [call bsm_weights $bsm_route [lindex $bsm_record 1]]
                binary scan [CRYPTO::hash -alg sha256 "$bsm_route $bsm_caller"] I bsm_draw
                set bsm_version [call bsm_drawn $bsm_weighed [expr {($bsm_draw & 0x7fffffff) % 100}]]
                foreach {bsm_name bsm_value} $bsm_sent {
                    if {$bsm_name eq "x-gateway-version"} {
                        set bsm_may [class match -- "version/$bsm_route|$bsm_caller" equals /worldwide/gateway/regions]
                        set bsm_at [lsearch -exact $bsm_weighed $bsm_value]
                        if {!$bsm_may || $bsm_at < 0 || $bsm_at % 2} {
                            call bsm_refuse version-not-allowed $bsm_id keep-alive
                            return
                        }
                        set bsm_version $bsm_value
                    }
                }
                set bsm_record [split [class match -value -- upstream/$bsm_version equals /worldwide/gateway/regions] |]
                if {[lindex $bsm_record 0] ne "1"} {
                    call bsm_refuse internal-error $bsm_id keep-alive
                    return
                }
                set bsm_target [lreplace $bsm_target 4 4 $bsm_version]
                set bsm_target [lreplace $bsm_target 7 8 [lindex $bsm_record 1] [lindex $bsm_record 2]]
            }
            set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive]
            if {$bsm_region ne ""} {
                set bsm_forwarded 1
            if {[lsearch -exact $bsm_stages retry] >= 0} {
                set bsm_nonce [format %08x%08x [expr {int(rand() * 4294967295.0)}] [expr {int(rand() * 4294967295.0)}]]
                set bsm_whole [call bsm_whole [lindex $bsm_target 4] $bsm_nonce ""]
            }
            }
            return
        }
        if {$bsm_expect ne ""} {
            SSL::respond "HTTP/1.1 100 Continue\r\n\r\n"
        }
        # One byte more than the limit, so that a body of unknown length shows that it is too large.
        if {$bsm_transfer ne ""} {
            HTTP::collect [expr {$bsm_limit + 1}]
        } else {
            HTTP::collect $bsm_size
        }

    } bsm_error] == 1} {
        log local0.err "bigip-sm worldwide/public: request $bsm_id failed in stage $bsm_stage"
        if {![HTTP::has_responded]} {
            call bsm_refuse internal-error $bsm_id $bsm_connection
        }
    }
}

when HTTP_REQUEST_DATA priority 500 {
    if {[catch {
        set bsm_stage sign
        if {[HTTP::payload length] > $bsm_limit} {
            call bsm_refuse body-too-large $bsm_id $bsm_connection
            return
        }
        binary scan [CRYPTO::hash -alg sha256 [HTTP::payload]] H* bsm_hash
            if {[lsearch -exact $bsm_stages canary] >= 0} {
                set bsm_record [split [class match -value -- route/$bsm_route equals /worldwide/gateway/regions] |]
                set bsm_weighed [call bsm_weights $bsm_route [lindex $bsm_record 1]]
                binary scan [CRYPTO::hash -alg sha256 "$bsm_route $bsm_caller"] I bsm_draw
                set bsm_version [call bsm_drawn $bsm_weighed [expr {($bsm_draw & 0x7fffffff) % 100}]]
                foreach {bsm_name bsm_value} $bsm_sent {
                    if {$bsm_name eq "x-gateway-version"} {
                        set bsm_may [class match -- "version/$bsm_route|$bsm_caller" equals /worldwide/gateway/regions]
                        set bsm_at [lsearch -exact $bsm_weighed $bsm_value]
                        if {!$bsm_may || $bsm_at < 0 || $bsm_at % 2} {
                            call bsm_refuse version-not-allowed $bsm_id keep-alive
                            return
                        }
                        set bsm_version $bsm_value
                    }
                }
                set bsm_record [split [class match -value -- upstream/$bsm_version equals /worldwide/gateway/regions] |]
                if {[lindex $bsm_record 0] ne "1"} {
                    call bsm_refuse internal-error $bsm_id keep-alive
                    return
                }
                set bsm_target [lreplace $bsm_target 4 4 $bsm_version]
                set bsm_target [lreplace $bsm_target 7 8 [lindex $bsm_record 1] [lindex $bsm_record 2]]
            }
        set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive]
        if {$bsm_region ne ""} {
            set bsm_forwarded 1
            if {[lsearch -exact $bsm_stages retry] >= 0} {
                set bsm_nonce [format %08x%08x [expr {int(rand() * 4294967295.0)}] [expr {int(rand() * 4294967295.0)}]]
                set bsm_whole [call bsm_whole [lindex $bsm_target 4] $bsm_nonce [HTTP::payload]]
            }
        }
    } bsm_error] == 1} {
        log local0.err "bigip-sm worldwide/public: request $bsm_id failed in stage $bsm_stage"
        if {![HTTP::has_responded]} {
            call bsm_refuse internal-error $bsm_id $bsm_connection
        }
    }
}

# A request that did not come through the whole pipeline does not leave, whatever TMM makes of it.
when LB_SELECTED priority 500 {
    if {![info exists bsm_forwarded] || $bsm_forwarded != 1} {
        reject
    }
}

when LB_FAILED priority 500 {
    # Nothing has been sent yet, so another region may have the request, once.
    set bsm_replaced [list]
    if {!$bsm_tried} {
        set bsm_tried 1
        if {[catch {
            set bsm_failed [lindex $bsm_region 0]
            set bsm_other [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id close $bsm_failed]
            if {[llength $bsm_other]} {
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: a failure for request $bsm_id could not be counted"
        }
    }
                LB::reselect pool [lindex $bsm_other 1]
                set bsm_region [lindex $bsm_other 0]
                set bsm_replaced [lindex $bsm_other 2]
            }
        } bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: request $bsm_id could not go to another region"
        }
        if {[llength $bsm_replaced]} {
            return
        }
    }
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: a failure for request $bsm_id could not be counted"
        }
    }
    if {[HTTP::has_responded]} {
        return
    }
    call bsm_refuse upstream-unreachable $bsm_id close
}

# Host, date, token and signature of the region that the request goes to instead.
when HTTP_REQUEST_SEND priority 500 {
    foreach {bsm_name bsm_value} $bsm_replaced {
        HTTP::header replace $bsm_name $bsm_value
    }
    set bsm_replaced [list]
}

# A handshake that never ends has no event of its own. A caller who leaves early is no sign of one.
when SERVERSSL_HANDSHAKE priority 500 {
    set bsm_greeting 0
}

when SERVER_CLOSED priority 500 {
    if {[info exists bsm_greeting] && $bsm_greeting > 0 && [clock seconds] - $bsm_greeting >= 5} {
        set bsm_greeting 0
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: a failure for request $bsm_id could not be counted"
        }
    }
    }
}

# The name that is verified and sent in the handshake follows the region that was signed for.
when SERVER_CONNECTED priority 500 {
    set bsm_greeting [clock seconds]
    SSL::profile /worldwide/gateway/tls_runtime_[string map {- _} $bsm_region]
}

when HTTP_RESPONSE priority 500 {
    if {$bsm_whole ne "" && !$bsm_tried} {
        set bsm_retrying 0
        if {[catch {
            set bsm_type_of_error [HTTP::header value X-Amzn-ErrorType]
            set bsm_retrying [call bsm_may_retry [HTTP::status] $bsm_type_of_error $bsm_target [lindex $bsm_region 0]]
        } bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: request $bsm_id could not go to another region"
        }
        # Every one of these counts, a throttle too; what is counted as an answer below is not counted here.
        if {$bsm_retrying == 1 || ($bsm_retrying == 2 && [lsearch -exact {500 502 503 504} [HTTP::status]] < 0)} {
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: a failure for request $bsm_id could not be counted"
        }
    }
        }
        if {$bsm_retrying == 1} {
            set bsm_tried 1
            set bsm_again $bsm_whole
            set bsm_whole ""
            HTTP::retry $bsm_again
            set bsm_again ""
            return
        }
        set bsm_retrying 0
    }
    set bsm_whole ""
    # SageMaker's own failures and those of a model that passes them on; 424 may be the caller's.
    if {[lsearch -exact {500 502 503 504} [HTTP::status]] >= 0} {
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm worldwide/public: a failure for request $bsm_id could not be counted"
        }
    }
    }
    if {[HTTP::status] == 403} {
        # AWS refuses the gateway, not the caller, and its text may quote the session token.
        set bsm_type [string range [HTTP::header value X-Amzn-ErrorType] 0 63]
        set bsm_aws_id [string range [HTTP::header value X-Amzn-RequestId] 0 63]
        log local0.err "bigip-sm worldwide/public: AWS refused request $bsm_id: $bsm_type, AWS request $bsm_aws_id"
        call bsm_refuse aws-refused $bsm_id keep-alive
        return
    }
    HTTP::header remove X-Gateway-Reason
    HTTP::header replace X-Request-Id $bsm_id
}
