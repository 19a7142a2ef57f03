# bigip-sm: gateway enterprise, listener public
#
# Purpose:     names the caller, decides, signs for AWS with the rotator's credentials, forwards.
# Requires:    TMOS 15.1 or newer; client-ssl, http, OneConnect and server-ssl profiles.
# Data groups: /enterprise/gateway/routes_public, /enterprise/gateway/access
#              /enterprise/gateway/networks_batch
#              /enterprise/gateway/keys_partner
#              /enterprise/gateway/validation
#              /enterprise/gateway/guards
#              /enterprise/gateway/phrases
#              /enterprise/gateway/shape
#              /enterprise/gateway/limits
#              /enterprise/gateway/audit
#              /enterprise/gateway/failover
#              and, filled by the rotator:
#              /bigip_sm/enterprise.inference
#              /bigip_sm/enterprise.premium
#              /bigip_sm/enterprise.training
#              /bigip_sm/enterprise.jwks
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
        json-invalid {
            set status 400
            set message "the body is not one well-formed JSON object"
        }
        header-missing {
            set status 400
            set message "a header that this route requires is missing"
        }
        model-missing {
            set status 400
            set message "name a model in the member model of the body"
        }
        field-not-allowed {
            set status 400
            set message "the body has a member that this route does not allow"
        }
        shape-invalid {
            set status 400
            set message "the body does not have the shape that the model takes"
        }
        context-too-long {
            set status 400
            set message "the prompt is longer than this route allows"
        }
        max-tokens-exceeded {
            set status 400
            set message "ask for fewer tokens: max_tokens, with n choices, is more than this route allows"
        }
        header-not-allowed {
            set status 400
            set message "a header has a value that this route does not allow"
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
        jwt-too-large {
            set status 401
            set message "the token is too long"
        }
        jwt-malformed {
            set status 401
            set message "the token is not a well-formed JWT"
        }
        jwt-algorithm {
            set status 401
            set message "tokens must be signed with RS256"
        }
        jwt-issuer {
            set status 401
            set message "the issuer of the token is not accepted"
        }
        jwt-unknown-key {
            set status 401
            set message "the key that signed the token is not known"
        }
        jwt-signature {
            set status 401
            set message "the signature of the token is wrong"
        }
        jwt-audience {
            set status 401
            set message "the token is for somebody else"
        }
        jwt-expired {
            set status 401
            set message "the token has expired"
        }
        jwt-not-yet {
            set status 401
            set message "the token is not valid yet"
        }
        jwt-subject {
            set status 401
            set message "the token names no caller"
        }
        api-key-unknown {
            set status 401
            set message "this API key is not known"
        }
        not-allowed {
            set status 403
            set message "this caller may not use this route"
        }
        guard-prompt-injection {
            set status 403
            set message "the request looks like prompt injection"
        }
        guard-pii {
            set status 403
            set message "the request holds personal data that must not be sent"
        }
        guard-dlp {
            set status 403
            set message "the request holds a secret or a name that must not be sent"
        }
        guard-unredactable {
            set status 403
            set message "the request holds data that cannot be taken out of it"
        }
        operation-not-granted {
            set status 403
            set message "this caller may use the route, but not for this operation"
        }
        operation-not-allowed {
            set status 403
            set message "this operation is not allowed on this route"
        }
        no-route {
            set status 404
            set message "no route has this path"
        }
        model-not-allowed {
            set status 404
            set message "this route has no such model"
        }
        model-not-served {
            set status 404
            set message "this model, or version of it, is not served on this route"
        }
        status-not-available {
            set status 404
            set message "the status of a model cannot be asked for through SageMaker"
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
        too-complex {
            set status 413
            set message "the body is too large or has too much in it to be inspected"
        }
        json-too-complex {
            set status 413
            set message "the JSON body is nested too deep or has too many parts"
        }
        content-type-refused {
            set status 415
            set message "this route does not take this content type"
        }
        content-encoding-refused {
            set status 415
            set message "send the body without Content-Encoding"
        }
        tensorflow-content-type {
            set status 415
            set message "send application/json, application/jsonlines, application/jsons or text/csv"
        }
        expectation-failed {
            set status 417
            set message "the only expectation that can be met is 100-continue"
        }
        unknown-host {
            set status 421
            set message "this host name is not served here"
        }
        too-many-requests {
            set status 429
            set message "too many requests: try again later"
        }
        too-many-tokens {
            set status 429
            set message "the tokens of this window are used up: try again later"
        }
        too-many-at-once {
            set status 429
            set message "too many requests at one time: wait for an answer before the next request"
        }
        internal-error {
            set status 500
            set message "the gateway could not handle the request"
        }
        aws-refused {
            set status 502
            set message "AWS refused the gateway's own credentials"
        }
        answer-invalid {
            set status 502
            set message "the model's answer is not in the form that this route expects"
        }
        answer-blocked {
            set status 502
            set message "the model's answer holds something that must not go on"
        }
        answer-too-large {
            set status 502
            set message "the model's answer is larger than this route allows"
        }
        upstream-unreachable {
            set status 502
            set message "no connection to the model's endpoint could be made"
        }
        no-region-available {
            set status 503
            set message "no region of this model's endpoint is available"
        }
        overloaded {
            set status 503
            set message "the model has as many requests as it may have: try again"
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
    upvar 1 bsm_told told bsm_told_status told_status
    set told $reason
    set told_status $status
    set details "\"type\":\"gateway_error\",\"param\":null,\"code\":\"$reason\",\"request_id\":\"$request_id\""
    set body "{\"error\":{\"message\":\"$message\",$details}}"
    set type application/json
    if {$allow ne ""} {
        HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Allow $allow Strict-Transport-Security "max-age=31536000"
        return
    }
    if {$retry ne ""} {
        foreach {name1 value1 name2 value2 name3 value3} $limits {
            break
        }
        switch -exact -- [llength $limits] {
            6 {
                HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Retry-After $retry $name1 $value1 $name2 $value2 $name3 $value3 Strict-Transport-Security "max-age=31536000"
            }
            4 {
                HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Retry-After $retry $name1 $value1 $name2 $value2 Strict-Transport-Security "max-age=31536000"
            }
            default {
                HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Retry-After $retry Strict-Transport-Security "max-age=31536000"
            }
        }
        return
    }
    if {$status == 401} {
        HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection WWW-Authenticate Bearer Strict-Transport-Security "max-age=31536000"
        return
    }
    HTTP::respond $status content $body noserver Content-Type $type X-Gateway-Reason $reason X-Request-Id $request_id Cache-Control no-store Connection $connection Strict-Transport-Security "max-age=31536000"
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
    return [list $signature $hash]
}

# How long a region of an upstream is still skipped, seconds; 0 or less if it is not.
proc bsm_circuit_open {upstream region} {
    return [table lifetime -remaining -- "bigip-sm enterprise open $upstream $region"]
}

# Counts a failure of a region. As many as the circuit allows in a window, and all TMMs skip the region for a while;
# then it is tried again, and the next failure in the same window opens the circuit at once.
proc bsm_circuit_failed {upstream region} {
    set fields [split [class match -value -- circuit/$upstream equals /enterprise/gateway/limits] |]
    if {[lindex $fields 0] ne "1"} {
        return
    }
    foreach {version failures window open} $fields {
        break
    }
    set key "bigip-sm enterprise failures $upstream $region [expr {[clock seconds] / $window}]"
    table add -notouch -- $key 0 indefinite $window
    set count [table incr -notouch -- $key]
    if {$count >= $failures} {
        table set -notouch -- "bigip-sm enterprise open $upstream $region" 1 indefinite $open
        if {$count == $failures} {
            log local0.warning "bigip-sm enterprise/public: $region of upstream $upstream is skipped for $open s"
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
    upvar 1 bsm_told bsm_told bsm_told_status bsm_told_status bsm_proof proof

    # Choice before signature: region, host and credentials follow the pool.
    set region ""
    set skipped 0
    set breaks [expr {[lsearch -exact [split [lindex $target 9] ,] circuit] >= 0}]
    set hosts runtime
    foreach choice [split $regions ,] {
        foreach {candidate host kind} [split $choice =] {
            break
        }
        if {$candidate eq $failed} {
            continue
        }
        set pool /enterprise/gateway/pool_${upstream}_[string map {- _} $candidate]
        if {[active_members $pool] > 0} {
            if {$breaks} {
                set rest [call bsm_circuit_open $upstream $candidate]
                if {$rest > 0} {
                    set skipped $rest
                    continue
                }
            }
            set region $candidate
            # The kind of host; with the region it names the TLS profile.
            if {$kind ne ""} {
                set hosts $kind
            }
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
        inference {
            set record [class match -value -- $key equals /bigip_sm/enterprise.inference]
        }
        premium {
            set record [class match -value -- $key equals /bigip_sm/enterprise.premium]
        }
        training {
            set record [class match -value -- $key equals /bigip_sm/enterprise.training]
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
        set extra [list x-amzn-sagemaker-custom-attributes $attributes x-amzn-sagemaker-inference-id $bsm_id]
        if {[llength $target] > 10} {
            set extra [lindex $target 10]
        }
        set pairs [list "host $host" "x-amz-date $stamp" "x-amz-security-token $token"]
        if {$content_type ne ""} {
            lappend pairs "content-type $content_type"
        }
        foreach {name value} $extra {
            lappend pairs "$name $value"
        }
        # A blank sorts before every character of a name.
        set headers ""
        set signed ""
        foreach pair [lsort $pairs] {
            set at [string first " " $pair]
            set name [string range $pair 0 [expr {$at - 1}]]
            append headers $name : [string range $pair [expr {$at + 1}] end] "\n"
            append signed $name ";"
        }
        set signed [string range $signed 0 end-1]
        # The path is encoded once more than on the wire (SigV4 for every service but S3).
        set encoded {% %25 ! %21 $ %24 & %26 ' %27 ( %28 ) %29 * %2A + %2B , %2C ; %3B = %3D : %3A @ %40}
        set request "[HTTP::method]\n[string map $encoded $path]\n$query\n$headers\n$signed\n$payload_hash"
        set scope $date/$region/$service/aws4_request
        foreach {signature canonical} [call bsm_signature $request $stamp $scope [lindex $fields 2]] {
            break
        }
        set proof [list $stamp $scope $signed $payload_hash $canonical]
        set credential "Credential=[lindex $fields 1]/$scope, SignedHeaders=$signed, Signature=$signature"
        if {$failed ne ""} {
            set sent [list Host $host X-Amz-Date $stamp X-Amz-Security-Token $token Authorization "AWS4-HMAC-SHA256 $credential"]
            set sent [concat $sent $extra]
        } else {
            # One command for all, since none of them is there: strip has seen to it.
            HTTP::header insert X-Amz-Date $stamp X-Amz-Security-Token $token Authorization "AWS4-HMAC-SHA256 $credential"
            foreach {name value} $extra {
                HTTP::header insert $name $value
            }
        }
    }
    if {$scheme eq "bearer"} {
        set sent [list Host $host Authorization "Bearer $token"]
        if {$failed eq ""} {
            HTTP::header insert Authorization "Bearer $token"
        }
    }
    if {$failed ne ""} {
        return [list [list $region $hosts] $pool $sent]
    }
    pool $pool
    return [list $region $hosts]
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
    foreach {version percent billed} [split [class match -value -- $upstream equals /enterprise/gateway/failover] |] {
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
            incr others [active_members /enterprise/gateway/pool_${upstream}_[string map {- _} $candidate]]
        }
    }
    if {!$others} {
        return 0
    }
    set turn [expr {[clock seconds] / 10}]
    set asked [table lookup -notouch -- "bigip-sm enterprise asked $upstream $turn"]
    if {$asked eq ""} {
        set asked 0
    }
    set key "bigip-sm enterprise again $upstream $turn"
    table add -notouch -- $key 0 indefinite 20
    return [expr {[table incr -notouch -- $key] * 100 <= $asked * $percent + 300 ? 1 : 2}]
}

# The request as it would be sent, without what follows the region; counts it for the budget.
# @param upstream  its name
# @param nonce     what tells it from any request of a client
# @param body      its body
proc bsm_whole {upstream nonce body} {
    set key "bigip-sm enterprise asked $upstream [expr {[clock seconds] / 10}]"
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

# Counts a request, in windows that begin at multiples of their length, so that the key of a count changes with its
# window and its lifetime only cleans up. Counting comes before comparing: two TMMs never both take the last place.
# @param principal  identity:subject
# @param group      group that the caller is counted with, or empty: then he is counted by himself
# @return reason of the refusal, or empty; form of the headers; for each window kind, amount, seconds, what is left,
#         seconds until it ends, name; only that of the refusal if there is one; then what bsm_acquire needs for each
#         bound on requests at one time, what bsm_spend needs for each count of tokens, how many tokens a prompt and an
#         answer may have, 0 if any number
proc bsm_quota {route principal group} {
    set fields [split [class match -value -- $route equals /enterprise/gateway/limits] |]
    if {[lindex $fields 0] ne "1"} {
        error "no limits"
    }
    set form [lindex $fields 1]
    set now [clock seconds]
    set hash ""
    set rates [list]
    set slots [list]
    set meters [list]
    set context 0
    set cap 0
    upvar 1 bsm_hits hits
    foreach field [lrange $fields 2 end] {
        foreach {kind amount window per shadow name} [split $field /] {
            break
        }
        set key "bigip-sm enterprise $route $name"
        if {$per eq "group" && $group ne ""} {
            append key " $group"
        } elseif {$per eq "principal" || $per eq "group"} {
            # A subject is not written into the table as it is, and a key of it has a bounded length.
            if {$hash eq ""} {
                binary scan [CRYPTO::hash -alg sha256 $principal] H* hash
            }
            append key " $hash"
        }
        if {$window ne ""} {
            set left [expr {$window - $now % $window}]
        }
        switch -exact -- $kind {
            requests {
                append key " [expr {$now / $window}]"
                table add -notouch -- $key 0 indefinite $window
                set count [table incr -notouch -- $key]
                if {!$shadow} {
                    if {$count > $amount} {
                        lappend hits $name:refused
                        return [list too-many-requests $form [list $kind $amount $window 0 $left $name] [list]]
                    }
                    lappend rates $kind $amount $window [expr {$amount - $count}] $left $name
                } elseif {$count > $amount} {
                    lappend hits $name:shadow
                    if {$count == $amount + 1} {
                        log local0.warning "bigip-sm enterprise/public: shadow limit $name of route $route is exceeded"
                    }
                }
            }
            tokens {
                lappend meters $key $amount $window $shadow $name
                set count [table lookup -notouch -- "$key [expr {$now / $window}]"]
                if {$count eq ""} {
                    set count 0
                }
                if {!$shadow} {
                    if {$count >= $amount} {
                        lappend hits $name:refused
                        return [list too-many-tokens $form [list $kind $amount $window 0 $left $name] [list]]
                    }
                    lappend rates $kind $amount $window [expr {$amount - $count}] $left $name
                } elseif {$count >= $amount} {
                    lappend hits $name:shadow
                }
            }
            context {
                set context $amount
            }
            cap {
                set cap $amount
            }
            concurrency {
                lappend slots $key $amount $window $shadow too-many-at-once $name
            }
            in_flight {
                lappend slots "bigip-sm enterprise in-flight $name" $amount $window $shadow overloaded $name
            }
        }
    }
    return [list "" $form $rates $slots $meters $context $cap]
}

# What tells a caller how much is left: OpenAI's headers (platform.openai.com, guide "Rate limits"), or the IETF's
# (draft-ietf-httpapi-ratelimit-headers-10). OpenAI's have no place for two limits of a kind, so the tightest is told.
# @param rates  what bsm_quota returned
# @return names and values
proc bsm_rate_headers {form rates} {
    set headers [list]
    if {$form eq "openai"} {
        foreach wanted {requests tokens} {
            set best ""
            foreach {kind amount window rest left name} $rates {
                if {$kind eq $wanted && ($best eq "" || $rest < $best)} {
                    set best $rest
                    set told [list $amount $rest ${left}s]
                }
            }
            if {$best ne ""} {
                foreach part {limit remaining reset} value $told {
                    lappend headers x-ratelimit-$part-$wanted $value
                }
            }
        }
    } elseif {[llength $rates]} {
        set policy [list]
        set rest_of [list]
        foreach {kind amount window rest left name} $rates {
            lappend policy "\"$name\";q=$amount;w=$window"
            lappend rest_of "\"$name\";r=$rest;t=$left"
        }
        set headers [list RateLimit-Policy [join $policy ", "] RateLimit [join $rest_of ", "]]
    }
    return $headers
}

# Requests at one time. A count that somebody has to take back leaks when nobody does, so there is one for each turn of
# the clock, as long as an answer may take: a request is in the count of its turn, and what counts is this turn and the
# one before. What was never taken back is forgotten with its turn.
# @param slots  for each bound the key of its count, how many, seconds of a turn, 1 if it only records, reason, name
# @return reason of the refusal, or empty; the counts that the request is in
proc bsm_acquire {slots} {
    set now [clock seconds]
    set held [list]
    upvar 1 bsm_hits hits
    foreach {key most life shadow reason name} $slots {
        set turn [expr {$now / $life}]
        table add -notouch -- "$key $turn" 0 indefinite [expr {2 * $life}]
        set count [table incr -notouch -- "$key $turn"]
        lappend held "$key $turn"
        set before [table lookup -notouch -- "$key [expr {$turn - 1}]"]
        if {$before ne ""} {
            incr count $before
        }
        if {$count > $most} {
            if {!$shadow} {
                lappend hits $name:refused
                call bsm_release $held
                return [list $reason [list]]
            }
            lappend hits $name:shadow
            if {$count == $most + 1} {
                log local0.warning "bigip-sm enterprise/public: shadow limit $name is exceeded"
            }
        }
    }
    return [list "" $held]
}

# Takes a request out of its counts, once: the caller forgets them.
proc bsm_release {held} {
    foreach key $held {
        table incr -notouch -mustexist -- $key -1
    }
}

# JSON (RFC 8259), read in linear time: a few passes of compiled code over the whole text, and a loop over its strings
# and brackets. A text is passed on only if it can be read in one way: valid UTF-8, no NUL, every half of a surrogate
# pair with its other half, no name twice at the top. Beyond 50,000 strings, or 32,768 signs that are left when all that
# is simple has been taken out, a text is too complex: so no text of some size takes much longer than another.

# Whether signs and scalar values of an object stand in order, and how deep it is.
# @param skeleton  the object with a quote for each string, without blanks
# @param levels    levels of nesting allowed, the object itself included
# @return reason of the refusal, or empty; then the skeleton without scalar values, < > for braces and ( ) for brackets
proc bsm_json_order {skeleton levels} {
    set number {-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?}
    if {![regexp -- "\\A\[]\[\"{}:,\]*(?:(?:$number|true|false|null)\[]\[\"{}:,\]+)*\\Z" $skeleton]} {
        return json-invalid
    }
    # What may stand beside what does not depend on the level.
    set signs [string map {"{" < "}" > [ ( ] )} $skeleton]
    set wrong {\A[^<]|[^>]\Z|<[^">]|<"[^:]|[(][,:>]|[:,][)>,:]|"[^)>,:]|[-+.0-9A-Za-z][(<":]|[)>][^)>,]|[^<,]":|[^"]:}
    if {[regexp -- $wrong $signs] || $signs eq ""} {
        return json-invalid
    }
    # Values go away and leave their commas; a comma before a name becomes a semicolon, a container without others in
    # it a colon. So what is left to be walked through is short in all but hostile texts.
    set values {0 "" 1 "" 2 "" 3 "" 4 "" 5 "" 6 "" 7 "" 8 "" 9 "" - "" + "" . "" e "" E "" true "" fals "" null ""}
    set bare [string map $values $signs]
    set left [string map {<> : () : ,\": ; <\": < \" ""} [string range $bare 1 end-1]]
    while {[string first ,, $left] >= 0} {
        set left [string map {,,,,,,,, , ,,,, , ,, ,} $left]
    }
    while {[string first ";;" $left] >= 0} {
        set left [string map {";;;;;;;;" ";" ";;;;" ";" ";;" ";"} $left]
    }
    set left [string map {"<;>" : (,) :} $left]
    while {[string first :,:,: $left] >= 0} {
        set left [string map {:,:,:,:,:,:,:,: :,: :,:,:,: :,: :,:,: :,:} $left]
    }
    # What is open around the innermost container, one sign for each level; counting would take longer.
    if {[string length $left] > 32768} {
        return json-too-complex
    }
    set inner <
    set open ""
    foreach sign [split $left ""] {
        switch -exact -- $sign {
            < - ( {
                append open $inner
                set inner $sign
                if {[string length $open] >= $levels} {
                    return json-too-complex
                }
            }
            > {
                if {$inner ne "<" || $open eq ""} {
                    return json-invalid
                }
                set inner [string index $open end]
                set open [string range $open 0 end-1]
            }
            ) {
                if {$inner ne "("} {
                    return json-invalid
                }
                set inner [string index $open end]
                set open [string range $open 0 end-1]
            }
            , {
                if {$inner ne "("} {
                    return json-invalid
                }
            }
            ; {
                if {$inner ne "<"} {
                    return json-invalid
                }
            }
            default {
                if {[string length $open] + 1 >= $levels} {
                    return json-too-complex
                }
            }
        }
    }
    if {$open ne ""} {
        return json-invalid
    }
    return [list "" $bare]
}

# The members of the top level of a JSON object.
# @param text    bytes
# @param levels  levels of nesting allowed, the object itself included
# @param most    members allowed at the top
# @return reason of the refusal, or empty; then a list with four elements for each member: its name, decoded; the type
#         of its value (string, number, boolean, null, array, object); offsets in the text of its first and last byte
proc bsm_json_read {text levels most} {
    if {[regexp -- {[^\t\n\r -~]} $text]} {
        set two {[\xe1-\xec\xee\xef][\x80-\xbf]|\xe0[\xa0-\xbf]|\xed[\x80-\x9f]}
        set three {[\xf1-\xf3][\x80-\xbf]|\xf0[\x90-\xbf]|\xf4[\x80-\x8f]}
        set last {[\x80-\xbf]}
        if {![regexp -- "\\A(?:\[\\t\\n\\r -\\x7f\]|(?:\[\\xc2-\\xdf\]|$two|(?:$three)$last)$last)*\\Z" $text]} {
            return [list json-invalid [list]]
        }
    }
    # Escaped quotes and backslashes become something else of the same length: then every quote begins or ends a string.
    set plain $text
    if {[string first "\\" $text] >= 0} {
        set plain [string map [list "\\\\" __ "\\\"" __] $text]
        set hex {[0-9A-Fa-f]}
        set pair "\[Dd\]\[89ABab\]$hex{2}\\\\u\[Dd\]\[C-Fc-f\]$hex{2}"
        set code "u(?:\[0-9A-CE-Fa-ce-f\]$hex{3}|\[Dd\]\[0-7\]$hex{2}|$pair)"
        if {![regexp -- "\\A(?:\[^\\\\\]|\\\\(?:\[/bfnrt\]|$code))*\\Z" $plain]} {
            return [list json-invalid [list]]
        }
        if {[string first "\\u0000" $plain] >= 0} {
            return [list json-invalid [list]]
        }
    }
    if {[regexp -- {[\t\n\r]} $plain] && ![regexp -- {\A[^"]*(?:"[^"\t\n\r]*"[^"]*)*\Z} $plain]} {
        return [list json-invalid [list]]
    }
    set pieces [split $plain "\""]
    if {[llength $pieces] % 2 == 0} {
        return [list json-invalid [list]]
    }
    if {[llength $pieces] > 100001} {
        return [list json-too-complex [list]]
    }

    set skeleton ""
    foreach {sign string} $pieces {
        append skeleton $sign "\""
    }
    set skeleton [string range $skeleton 0 end-1]
    if {[regexp -- {[ \t\n\r]} $skeleton]} {
        if {[regexp -- {[^][{},:" \t\n\r][ \t\n\r]+[^][{},:" \t\n\r]} $skeleton]} {
            return [list json-invalid [list]]
        }
        set skeleton [string map [list " " "" "\t" "" "\n" "" "\r" ""] $skeleton]
    }
    foreach {reason bare} [call bsm_json_order $skeleton $levels] {
        break
    }
    if {$reason ne ""} {
        return [list $reason [list]]
    }

    # A string of level 1 is the name of a member unless it follows a colon: 1 in the trail, 0 for any other string.
    set trail ""
    set mark 0
    set depth 0
    foreach sign [split $bare "\""] {
        switch -exact -- $sign {
            : {
                append trail 0
            }
            , - >,< - :>,< {
                append trail $mark
            }
            default {
                set depth [expr {$depth + [llength [split $sign "(<"]] - [llength [split $sign ")>"]]}]
                set mark [expr {$depth == 1}]
                append trail $mark
            }
        }
    }
    # Where the names begin and end, from one to the next.
    set names [list]
    set at -1
    set before -1
    for {set number [string first 1 $trail]} {$number >= 0} {set number [string first 1 $trail [expr {$number + 1}]]} {
        set way [join [lrange $pieces [expr {2 * $before + 1}] [expr {2 * $number}]] "\""]
        set at [expr {$at + 1 + [string length $way]}]
        lappend names $at [expr {$at + 2 + [string length [lindex $pieces [expr {2 * $number + 1}]]]}]
        set before $number
        if {[llength $names] > 2 * $most} {
            return [list json-too-complex [list]]
        }
    }
    if {![llength $names]} {
        return [list "" [list]]
    }

    # A value is what stands between its name's colon and the comma before the next name, or the last brace.
    set members [list]
    set seen [list]
    set text [string trimright $text " \t\n\r"]
    set ends [list]
    foreach {first after} [lrange $names 2 end] {
        lappend ends $first
    }
    lappend ends [expr {[string length $text] - 1}]
    foreach {first after} $names end $ends {
        set name [string range $text [expr {$first + 1}] [expr {$after - 2}]]
        if {[string first "\\" $name] >= 0} {
            set name [call bsm_json_text $name]
        }
        lappend seen $name
        set value [string trimleft [string range $text $after [expr {$end - 1}]] " \t\n\r:"]
        set first [expr {$end - [string length $value]}]
        set last [expr {$first + [string length [string trimright $value " \t\n\r,"]] - 1}]
        switch -exact -- [string index $value 0] {
            "\"" {
                set type string
            }
            "\{" {
                set type object
            }
            "\[" {
                set type array
            }
            t - f {
                set type boolean
            }
            n {
                set type null
            }
            default {
                set type number
            }
        }
        lappend members $name $type $first $last
    }
    if {[llength [lsort -unique $seen]] != [llength $seen]} {
        return [list json-invalid [list]]
    }
    return [list "" $members]
}

# Type of a top-level member, none if there is no such member, and the offsets of its value.
# @param members  what bsm_json_read returned
proc bsm_json_find {members name} {
    foreach {one type first last} $members {
        if {$one eq $name} {
            return [list $type $first $last]
        }
    }
    return [list none 0 -1]
}

# The text with another value for a top-level member, which is added in front if it is not there.
# @param members  what bsm_json_read returned for this text
# @param name     needs no escapes
# @param value    JSON
# @param type     its type
# @return the text; its members
proc bsm_json_put {text members name value type} {
    foreach {found first last} [call bsm_json_find $members $name] {
        break
    }
    set result [list]
    if {$found eq "none"} {
        set first [expr {[string first "\{" $text] + 1}]
        set last [expr {$first - 1}]
        set put "\"$name\":$value"
        set end [expr {$last + [string length $put]}]
        lappend result $name $type [expr {$end - [string length $value] + 1}] $end
        if {[llength $members]} {
            append put ,
        }
    } else {
        set put $value
    }
    set change [expr {[string length $put] - ($last - $first + 1)}]
    foreach {one old from to} $members {
        if {$one eq $name} {
            lappend result $name $type $first [expr {$to + $change}]
        } elseif {$from > $last} {
            lappend result $one $old [expr {$from + $change}] [expr {$to + $change}]
        } else {
            lappend result $one $old $from $to
        }
    }
    return [list [string range $text 0 [expr {$first - 1}]]$put[string range $text [expr {$last + 1}] end] $result]
}

# The text that a JSON string stands for, in UTF-8.
# @param string  what stands between its quotes, well-formed
proc bsm_json_text {string} {
    if {[string first "\\" $string] < 0} {
        return $string
    }
    # No control character stands in a well-formed string, so two of them may mark what is still to be done.
    set marked [string map [list "\\\\" "\x01" "\\u" "\x02" "\\\"" "\"" "\\/" /] $string]
    set marked [string map [list "\\b" "\b" "\\f" "\f" "\\n" "\n" "\\r" "\r" "\\t" "\t" "\x01" "\\"] $marked]
    set pieces [split $marked "\x02"]
    set text [lindex $pieces 0]
    set high 0
    foreach piece [lrange $pieces 1 end] {
        scan [string range $piece 0 3] %x code
        if {$code < 0x80} {
            append text [format %c $code]
        } elseif {$code < 0x800} {
            append text [format %c%c [expr {0xc0 | ($code >> 6)}] [expr {0x80 | ($code & 0x3f)}]]
        } elseif {($code & 0xfc00) == 0xd800} {
            set high $code
        } elseif {($code & 0xfc00) == 0xdc00} {
            set code [expr {0x10000 + (($high & 0x3ff) * 1024) + ($code & 0x3ff)}]
            append text [format %c%c [expr {0xf0 | ($code >> 18)}] [expr {0x80 | (($code >> 12) & 0x3f)}]]
            append text [format %c%c [expr {0x80 | (($code >> 6) & 0x3f)}] [expr {0x80 | ($code & 0x3f)}]]
        } else {
            append text [format %c%c [expr {0xe0 | ($code >> 12)}] [expr {0x80 | (($code >> 6) & 0x3f)}]]
            append text [format %c [expr {0x80 | ($code & 0x3f)}]]
        }
        append text [string range $piece 4 end]
    }
    return $text
}

# Takes tokens off what is left in the window of now.
# @param meters  for each count its key, how many, seconds of its window, 1 if it only records, name
proc bsm_spend {meters tokens} {
    if {$tokens < 1} {
        return
    }
    set now [clock seconds]
    foreach {key amount window shadow name} $meters {
        set key "$key [expr {$now / $window}]"
        table add -notouch -- $key 0 indefinite $window
        set count [table incr -notouch -- $key $tokens]
        if {$shadow && $count >= $amount && $count - $tokens < $amount} {
            log local0.warning "bigip-sm enterprise/public: shadow limit $name is exceeded"
        }
    }
}

# The total of tokens that an answer, or an event of a stream, tells; empty if it tells none.
proc bsm_usage {text} {
    foreach {reason members} [call bsm_json_read $text 32 1000] {
        break
    }
    foreach {type first last} [call bsm_json_find $members usage] {
        break
    }
    if {$type ne "object"} {
        return ""
    }
    set usage [string range $text $first $last]
    foreach {reason members} [call bsm_json_read $usage 32 1000] {
        break
    }
    foreach {type first last} [call bsm_json_find $members total_tokens] {
        break
    }
    set total [string range $usage $first $last]
    if {![regexp -- {^[0-9]{1,8}$} $total]} {
        return ""
    }
    scan $total %d total
    return $total
}

# A stream without the event that only tells its usage, which has no choices: callers who did not ask for it may not
# be prepared for it.
# @param events  whole events
proc bsm_without_usage {events} {
    set left ""
    set blank "\n\n"
    foreach event [split [string map [list "\r\n\r\n" "\x01" "\n\n" "\x01" "\r\r" "\x01"] $events] "\x01"] {
        if {[string first "\"usage\"" $event] >= 0} {
            set text [lindex [call bsm_event_data "$event$blank"] 0]
            foreach {reason members} [call bsm_json_read $text 32 1000] {
                break
            }
            foreach {type first last} [call bsm_json_find $members choices] {
                break
            }
            if {$type eq "array" && [regexp -- {^\[\s*\]$} [string range $text $first $last]]} {
                continue
            }
        }
        if {$event ne ""} {
            append left $event $blank
        }
    }
    return $left
}

# Holds a request to a number of tokens for its answer, all choices together; sets it where the request does not say.
# @return reason of the refusal, or empty; the body; its members
proc bsm_cap_tokens {body members cap} {
    set most 0
    set copies 1
    foreach name {max_tokens max_completion_tokens n best_of} {
        foreach {type first last} [call bsm_json_find $members $name] {
            break
        }
        if {$type eq "none" || $type eq "null"} {
            continue
        }
        set value [string range $body $first $last]
        if {![regexp -- {^[1-9][0-9]{0,7}$} $value]} {
            return [list max-tokens-exceeded $body $members]
        }
        if {[string match max* $name]} {
            if {$value > $most} {
                set most $value
            }
        } elseif {$value > $copies} {
            set copies $value
        }
    }
    if {$copies > $cap || $most > $cap / $copies} {
        return [list max-tokens-exceeded $body $members]
    }
    if {$most == 0} {
        foreach {body members} [call bsm_json_put $body $members max_tokens [expr {$cap / $copies}] number] {
            break
        }
    }
    return [list "" $body $members]
}

# Has a stream tell its usage.
# @return the body; its members; 1 if the caller did not ask for it himself
proc bsm_ask_usage {body members} {
    foreach {type first last} [call bsm_json_find $members stream_options] {
        break
    }
    set options "{}"
    if {$type eq "object"} {
        set options [string range $body $first $last]
    }
    foreach {reason inner} [call bsm_json_read $options 32 1000] {
        break
    }
    if {$reason ne ""} {
        set options "{}"
        set inner [list]
    }
    foreach {type first last} [call bsm_json_find $inner include_usage] {
        break
    }
    if {[string range $options $first $last] eq "true"} {
        return [list $body $members 0]
    }
    set options [lindex [call bsm_json_put $options $inner include_usage true boolean] 0]
    foreach {body members} [call bsm_json_put $body $members stream_options $options object] {
        break
    }
    return [list $body $members 1]
}

# Bytes of the longest string in well-formed JSON.
proc bsm_json_longest {text} {
    set longest 0
    foreach {sign string} [split [string map [list "\\\\" __ "\\\"" __] $text] "\""] {
        if {[string length $string] > $longest} {
            set longest [string length $string]
        }
    }
    return $longest
}

# Whether an object has the members that a model server of some kind needs.
# @param members  what bsm_json_read returned
# @param form     tensorflow (TensorFlow Serving, REST API, predict, classify and regress) or openai-chat
proc bsm_json_has_form {text members form} {
    if {$form eq "openai-chat"} {
        foreach {kind first last} [call bsm_json_find $members messages] {
            break
        }
        return [expr {$kind eq "array" && ![regexp -- {\A\[[ \t\r\n]*]\Z} [string range $text $first $last]]}]
    }
    set found [list]
    foreach name {instances inputs examples} {
        set kind [lindex [call bsm_json_find $members $name] 0]
        if {$kind ne "none"} {
            lappend found $name $kind
        }
    }
    set signature [lindex [call bsm_json_find $members signature_name] 0]
    if {$signature ne "none" && $signature ne "string"} {
        return 0
    }
    return [expr {[lsearch -exact {{instances array} {inputs array} {inputs object} {examples array}} $found] >= 0}]
}

# A text as it stands between the quotes of a JSON string.
proc bsm_json_quote {text} {
    set text [string map [list "\\" "\\\\" "\"" "\\\"" "\n" "\\n" "\r" "\\r" "\t" "\\t"] $text]
    if {[regexp -- {[\x01-\x1f]} $text]} {
        set text [string map [list "\x01" "\\u0001" "\x02" "\\u0002" "\x03" "\\u0003" "\x04" "\\u0004" "\x05" "\\u0005" "\x06" "\\u0006" "\x07" "\\u0007" "\x08" "\\u0008" "\x09" "\\u0009" "\x0a" "\\u000a" "\x0b" "\\u000b" "\x0c" "\\u000c" "\x0d" "\\u000d" "\x0e" "\\u000e" "\x0f" "\\u000f" "\x10" "\\u0010" "\x11" "\\u0011" "\x12" "\\u0012" "\x13" "\\u0013" "\x14" "\\u0014" "\x15" "\\u0015" "\x16" "\\u0016" "\x17" "\\u0017" "\x18" "\\u0018" "\x19" "\\u0019" "\x1a" "\\u001a" "\x1b" "\\u001b" "\x1c" "\\u001c" "\x1d" "\\u001d" "\x1e" "\\u001e" "\x1f" "\\u001f"] $text]
    }
    return $text
}

# The guards of a route, in order, and whether they only record. Raises an error if its record is not there.
# @param way  request or response
proc bsm_guards_of {route way} {
    foreach {version guards requests answers} [split [class match -value -- $route equals /enterprise/gateway/guards] |] {
        break
    }
    if {$version ne "1"} {
        error "the record of the route is not in the expected form"
    }
    if {$way eq "request"} {
        return [list [split $guards ,] $requests]
    }
    return [list [split $guards ,] $answers]
}

# A text for inspection: what the strings of JSON stand for, as far as it is ASCII, at once for the whole text. What
# stands for a character outside ASCII becomes a blank, one of no width goes away.
proc bsm_view {text} {
    if {[string first "\\" $text] < 0} {
        return $text
    }
    set escapes [list "\\\\" "\x01"]
    foreach none {200b 200B 200c 200C 200d 200D 2060 feff FEFF 00ad 00AD} {
        lappend escapes "\\u$none" ""
    }
    lappend escapes "\\u" "\x02" "\\\"" "\"" "\\/" / "\\n" "\n" "\\r" "\r" "\\t" "\t" "\\b" " " "\\f" " "
    set pieces [split [string map $escapes $text] "\x02"]
    set view [lindex $pieces 0]
    foreach piece [lrange $pieces 1 end] {
        if {[string match {00[0-7]*} $piece]} {
            scan [string range $piece 2 3] %x code
            append view [format %c $code] [string range $piece 4 end]
        } else {
            append view " " [string range $piece 4 end]
        }
    }
    return [string map [list "\x01" "\\"] $view]
}

# How much a text looks like an attempt to make a model forget its instructions: 1 - (1 - w1)(1 - w2)... over the
# weights of the phrases in it. Case, punctuation and what is repeated of blanks do not matter.
# @return 0 to 1, with two digits
proc bsm_score {view} {
    set signs [list " " . , ";" : ! ? ( ) "\[" "\]" < > - * # ~ / | = + "\"" ' "\\" "\{" "\}" ` "\n" "\t" "\r"]
    lappend signs "\xc2\xa0"
    set map [list "\xe2\x80\x8b" "" "\xe2\x80\x8c" "" "\xe2\x80\x8d" "" "\xef\xbb\xbf" "" "\xc2\xad" ""]
    foreach sign $signs {
        lappend map $sign _
    }
    set words _[string tolower [string map $map $view]]_
    while {[string first __ $words] >= 0} {
        set words [string map {________ _ ____ _ __ _} $words]
    }
    set rest 1.0
    foreach weight [class match -all -value -- $words contains /enterprise/gateway/phrases] {
        set rest [expr {$rest * (1.0 - $weight)}]
    }
    return [format %.2f [expr {1.0 - $rest}]]
}

# Whether digits are the number of a payment card: of a known issuer, and right by the formula of Luhn (ISO/IEC 7812-1).
proc bsm_is_card {number} {
    set number [string map {" " "" - "" . ""} $number]
    set visa {4[0-9]{12}(?:[0-9]{3}){0,2}}
    set mastercard {(?:5[1-5]|2[2-7])[0-9]{14}}
    set amex {3[47][0-9]{13}}
    set diners {3(?:0[0-5]|[68][0-9])[0-9]{11}}
    set discover {6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}}
    set others {(?:35|62)[0-9]{14}}
    if {![regexp -- "\\A(?:$visa|$mastercard|$amex|$diners|$discover|$others)\\Z" $number]} {
        return 0
    }
    if {[string length $number] % 2} {
        set number 0$number
    }
    set sum 0
    foreach {doubled single} [split $number ""] {
        set sum [expr {$sum + [lindex {0 2 4 6 8 1 3 5 7 9} $doubled] + $single}]
    }
    return [expr {$sum % 10 == 0}]
}

# Where in a text something is.
# @param most  as many places are enough; 0 for all
# @return offsets of first and last byte, one pair after the other; many if more than 500 had to be looked at
proc bsm_find {what text most} {
    set part 1
    switch -exact -- $what {
        EMAIL {
            set part 0
            set pattern {[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+[.])+[A-Za-z]{2,24}}
        }
        SSN {
            set pattern {(?:^|[^0-9A-Za-z.-])([0-8][0-9]{2}-[0-9]{2}-[0-9]{4})(?![0-9A-Za-z-])}
        }
        CREDIT_CARD {
            # In one, in fours as most cards print them, or 4-6-5 and 4-6-4.
            set fours {[2-6][0-9]{3}[ .-][0-9]{4}[ .-][0-9]{4}[ .-][0-9]{4}}
            set sixes {3[0-9]{3}[ .-][0-9]{6}[ .-][0-9]{4,5}}
            set pattern "(?:^|\[^0-9A-Za-z.+-\])(\[2-6\]\[0-9\]{12,18}|$fours|$sixes)(?!\[0-9A-Za-z\]|\[.-\]\[0-9\])"
        }
        AWS_ACCESS_KEY_ID {
            set pattern {(?:^|[^A-Za-z0-9])((?:AKIA|ASIA|AROA|AIDA)[A-Z2-7]{16})(?![A-Za-z0-9])}
        }
        AWS_SECRET_KEY {
            set pattern {(?:^|[^A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])}
        }
        ARN {
            set part 0
            set pattern {arn:aws(?:-[a-z]+)*:[a-z0-9-]*:[a-z0-9-]*:[0-9]*:[A-Za-z0-9/_.:*+=,@-]+}
        }
        default {
            error "nothing is known of $what"
        }
    }
    set found [list]
    set at 0
    set tries 0
    while {[regexp -start $at -indices -- $pattern $text all span]} {
        if {$part == 0} {
            set span $all
        }
        foreach {first last} $span {
            break
        }
        set at [expr {$last + 1}]
        if {[incr tries] > 500} {
            return many
        }
        set good 1
        switch -exact -- $what {
            CREDIT_CARD {
                set good [call bsm_is_card [string range $text $first $last]]
                if {!$good && [regexp -start $first -indices -- {[ .-]} $text gap] && [lindex $gap 0] < $last} {
                    # The card may begin with the next group of digits.
                    set at [lindex $gap 0]
                }
            }
            SSN {
                # Never given out: areas 000 and 666, group 00, number 0000 (SSA).
                set good [expr {![regexp -- {^(?:000|666)|-00-|-0000$} [string range $text $first $last]]}]
            }
            AWS_SECRET_KEY {
                # Forty characters of one kind are a hash, a path or a word.
                set one [string range $text $first $last]
                set good [expr {[regexp -- {[A-Z]} $one] && [regexp -- {[a-z]} $one] && [regexp -- {[0-9]} $one]}]
            }
        }
        if {$good} {
            lappend found $first $last
            if {[llength $found] == 2 * $most} {
                break
            }
        }
    }
    return $found
}

# The inspections of a guard in one direction, each: version, type, action, threshold, what is looked for.
proc bsm_chain {guard direction} {
    switch -exact -- $guard/$direction {
        baseline/request {
            return {
                {3 prompt-injection block 0.80 {}}
                {3 pii redact 0 {EMAIL SSN CREDIT_CARD}}
                {3 dlp block 0 {AWS_ACCESS_KEY_ID AWS_SECRET_KEY ARN}}
            }
        }
        baseline/response {
            return {
                {3 pii redact 0 {EMAIL SSN CREDIT_CARD}}
                {3 dlp block 0 {AWS_ACCESS_KEY_ID AWS_SECRET_KEY ARN}}
            }
        }
    }
    error "there is no guard $guard"
}

# Inspects a text by guards, in order.
# @return reason of the refusal, or empty; what was found, one element <guard>/<version>/<type>/<what>=<count or
#         score>:<action> for each; what is to be redacted
proc bsm_inspect {guards direction view} {
    set outcome [list]
    set hide [list]
    foreach guard $guards {
        foreach step [call bsm_chain $guard $direction] {
            foreach {version type action threshold looked_for} $step {
                break
            }
            if {$type eq "prompt-injection"} {
                set score [call bsm_score $view]
                if {$score >= $threshold} {
                    lappend outcome $guard/$version/$type/score=$score:$action
                    if {$action eq "block"} {
                        return [list guard-$type $outcome [list]]
                    }
                }
            }
            foreach what $looked_for {
                set found [call bsm_find $what $view [expr {$action eq "block"}]]
                if {$found eq "many" && $action ne "record"} {
                    return [list too-complex $outcome [list]]
                }
                if {[llength $found]} {
                    set count [expr {[llength $found] / 2}]
                    if {$found eq "many"} {
                        set count 500
                    }
                    lappend outcome $guard/$version/$type/[lindex [split $what .] end]=$count:$action
                    if {$action eq "block"} {
                        return [list guard-$type $outcome [list]]
                    }
                    if {$action eq "redact"} {
                        lappend hide $what
                    }
                }
            }
        }
    }
    return [list "" $outcome $hide]
}

# A text with [NAME] in the place of what was found.
proc bsm_redact {text hide} {
    foreach what $hide {
        set found [call bsm_find $what $text 0]
        if {$found eq "many"} {
            error "more to redact than there was"
        }
        if {![llength $found]} {
            continue
        }
        set left ""
        set from 0
        foreach {first last} $found {
            append left [string range $text $from [expr {$first - 1}]] "\[[lindex [split $what .] end]\]"
            set from [expr {$last + 1}]
        }
        set text $left[string range $text $from end]
    }
    return $text
}

# Well-formed JSON with [NAME] in the place of what was found in its strings; a number becomes a string. Only strings
# that could hold something are looked at one by one.
proc bsm_redact_json {text hide} {
    set own [regexp -- {[.]} $hide]
    # No control character stands in well-formed JSON, so escaped quotes and backslashes can be marked and put back.
    set marks [list "\\\\" "\x01" "\\\"" "\x02"]
    set back [list "\x01" "\\\\" "\x02" "\\\""]
    set left ""
    foreach {sign string} [split [string map $marks $text] "\""] {
        if {[string length $sign] > 12 && [regexp -- {[0-9]{12}} $sign]} {
            set put ""
            foreach token [regexp -all -inline -- {[-+.0-9A-Za-z]+|[^-+.0-9A-Za-z]+} $sign] {
                set new [call bsm_redact $token $hide]
                if {$new ne $token} {
                    set new "\"$new\""
                }
                append put $new
            }
            set sign $put
        }
        if {$own || ([string length $string] > 5 && [regexp -- {[@0-9:]|[A-Z]{4}} $string])} {
            set old [string map $back $string]
            if {[string first "\\" $old] < 0} {
                set string [call bsm_redact $old $hide]
                if {$string ne $old} {
                    set string [string map $marks [call bsm_json_quote $string]]
                }
            } elseif {[call bsm_has_any $hide [call bsm_view $old]]} {
                set string [string map $marks [call bsm_json_quote [call bsm_redact [call bsm_json_text $old] $hide]]]
            }
        }
        append left $sign "\"" $string "\""
    }
    return [string map $back [string range $left 0 end-2]]
}

# Whether a text still has something that was to be redacted.
proc bsm_has_any {hide view} {
    foreach what $hide {
        if {[llength [call bsm_find $what $view 1]]} {
            return 1
        }
    }
    return 0
}

# What a server-sent event says, for inspection. Of a chunk of a chat completion (OpenAI API) that is the text that it
# adds; of anything else all of it.
# @param data  its data
# @return kind: text (may be redacted), fixed (may not), none (says nothing), last (nothing follows it that belongs to
#         it), several (of more than one choice); offsets of the text between its quotes; the text
proc bsm_event_text {data} {
    if {$data eq "\[DONE]"} {
        return [list last 0 -1 ""]
    }
    foreach {reason members} [call bsm_json_read $data 64 1000] {
        break
    }
    set all [list fixed 0 -1 [call bsm_view $data]]
    if {$reason ne ""} {
        return [list fixed 0 -1 $data]
    }
    foreach {type first last} [call bsm_json_find $members choices] {
        break
    }
    if {$type ne "array"} {
        return $all
    }
    set choice [string trimleft [string range $data [expr {$first + 1}] [expr {$last - 1}]]]
    set base [expr {$last - [string length $choice]}]
    if {$choice eq ""} {
        return [list none 0 -1 ""]
    }
    foreach {reason members} [call bsm_json_read $choice 64 1000] {
        break
    }
    if {$reason ne ""} {
        return [list several 0 -1 ""]
    }
    foreach {type first last} [call bsm_json_find $members index] {
        break
    }
    if {$type ne "none" && [string range $choice $first $last] ne "0"} {
        return [list several 0 -1 ""]
    }
    set kind none
    if {[lindex [call bsm_json_find $members finish_reason] 0] eq "string"} {
        set kind last
    }
    foreach {type first last} [call bsm_json_find $members delta] {
        break
    }
    if {$type eq "object"} {
        set choice [string range $choice $first $last]
        set base [expr {$base + $first}]
        set members [lindex [call bsm_json_read $choice 64 1000] 1]
    }
    set texts [list]
    set others 0
    foreach {name type first last} $members {
        if {$type eq "string" && $last - $first > 1} {
            if {[lsearch -exact {content reasoning_content reasoning refusal text} $name] >= 0} {
                set text [call bsm_json_text [string range $choice [expr {$first + 1}] [expr {$last - 1}]]]
                lappend texts [expr {$base + $first + 1}] [expr {$base + $last - 1}] $text
            }
        } elseif {$type eq "object" || ($type eq "array" && $last - $first > 1)} {
            set others 1
        }
    }
    if {$others} {
        # Arguments of a tool come in parts as well. They are strings within JSON, so they are not rewritten.
        set parts [list]
        foreach {whole part} [regexp -all -inline -- {"arguments"[ \t\r\n]*:[ \t\r\n]*"((?:[^"\\]|\\.)*)"} $choice] {
            lappend parts [call bsm_json_text $part]
        }
        if {[llength $parts]} {
            return [list fixed 0 -1 [join $parts " "]]
        }
        return $all
    }
    if {[llength $texts] == 3} {
        return [concat [list text] $texts]
    }
    if {[llength $texts]} {
        return $all
    }
    return [list $kind 0 -1 ""]
}

# Inspects a stream. The last 128 bytes of its text are held back, with the events that they came in, until more comes
# or the stream says that it is over; so what is cut by the border between events is seen whole.
# @param events  whole events, as they arrived
# @param held    what the last call returned, or empty: a list of data, kind, first, last, text for each event
# @return reason for which the stream ends, or empty; what was found; events that go on; events that are held
proc bsm_inspect_stream {guards events held} {
    set over 0
    foreach data [call bsm_event_data $events] {
        set event [call bsm_event_text $data]
        switch -exact -- [lindex $event 0] {
            several {
                return [list answer-blocked [list] "" [list]]
            }
            last {
                set over 1
            }
        }
        set held [concat $held [list $data] $event]
    }
    set text ""
    foreach {data kind first last part} $held {
        append text $part
    }
    set size [string length $text]
    foreach {reason outcome hide} [call bsm_inspect $guards response $text] {
        break
    }
    if {$reason ne ""} {
        return [list $reason $outcome "" [list]]
    }
    # What ends where the text ends may go on; all else is taken out now.
    foreach what $hide {
        set text ""
        foreach {data kind first last part} $held {
            append text $part
        }
        set cuts [list]
        foreach {from to} [call bsm_find $what $text 0] {
            if {$over || $to < [string length $text] - 1} {
                lappend cuts $from $to
            }
        }
        set held [call bsm_cut_events $held $cuts "\[[lindex [split $what .] end]\]"]
        if {$held eq "fixed"} {
            return [list answer-blocked $outcome "" [list]]
        }
    }
    set text ""
    foreach {data kind first last part} $held {
        append text $part
    }
    set size [string length $text]
    set border [expr {$size - 128}]
    if {$over} {
        set border $size
    }
    foreach what $hide {
        foreach {from to} [call bsm_find $what $text 0] {
            # Longer than what may be held, or still there: it cannot be kept from going on but by ending the stream.
            if {$over || $to < $size - 1 || $to - $from > 512} {
                return [list answer-blocked $outcome "" [list]]
            }
            if {$from < $border} {
                set border $from
            }
        }
    }
    set out ""
    set left [list]
    set at 0
    foreach {data kind first last part} $held {
        set at [expr {$at + [string length $part]}]
        if {![llength $left] && ($size == 0 || $at <= $border)} {
            append out "data: $data\n\n"
        } else {
            lappend left $data $kind $first $last $part
        }
    }
    return [list "" $outcome $out $left]
}

# Takes places out of the text of events and puts a label where each began.
# @param held  as bsm_inspect_stream holds them
# @param cuts  offsets in their text, one pair after the other, in order
# @return the events; fixed if a place is in one that cannot be rewritten
proc bsm_cut_events {held cuts label} {
    if {![llength $cuts]} {
        return $held
    }
    set result [list]
    set start 0
    foreach {data kind first last part} $held {
        set end [expr {$start + [string length $part] - 1}]
        set new ""
        set from $start
        foreach {cut_first cut_last} $cuts {
            if {$cut_last < $start || $cut_first > $end} {
                continue
            }
            if {$kind ne "text"} {
                return fixed
            }
            if {$cut_first >= $start} {
                append new [string range $part [expr {$from - $start}] [expr {$cut_first - $start - 1}]] $label
            }
            set from [expr {$cut_last + 1}]
        }
        append new [string range $part [expr {$from - $start}] end]
        if {$new ne $part} {
            set quoted [call bsm_json_quote $new]
            set data [string range $data 0 [expr {$first - 1}]]$quoted[string range $data [expr {$last + 1}] end]
            set last [expr {$first + [string length $quoted] - 1}]
            set part $new
        }
        lappend result $data $kind $first $last $part
        set start [expr {$end + 1}]
    }
    return $result
}


# A JSON object with only those of its members whose names are listed, or empty if the text is no JSON object.
proc bsm_json_only {text names} {
    foreach {reason members} [call bsm_json_read $text 64 1000] {
        break
    }
    if {$reason ne ""} {
        return ""
    }
    set kept [list]
    foreach {name type first last} $members {
        if {[lsearch -exact $names $name] >= 0} {
            lappend kept "\"$name\":[string range $text $first $last]"
        }
    }
    return "{[join $kept ,]}"
}

# The text of a member that is a string, or empty.
proc bsm_json_string {text members name} {
    foreach {type first last} [call bsm_json_find $members $name] {
        break
    }
    if {$type ne "string"} {
        return ""
    }
    return [call bsm_json_text [string range $text [expr {$first + 1}] [expr {$last - 1}]]]
}

# An error of SageMaker or of the model, in the gateway's own form: without account ids, ARNs, links to the console and
# the name of the endpoint. Of an error of the model (424 ModelError; on the OpenAI-compatible path its text quotes the
# model's) remain the status and the text that the container gave.
# @return status; body
proc bsm_model_error {text status request_id} {
    set message ""
    foreach {reason members} [call bsm_json_read $text 32 100] {
        break
    }
    if {$reason eq ""} {
        foreach {type first last} [call bsm_json_find $members OriginalStatusCode] {
            break
        }
        if {$type eq "number" && [regexp -- {\A(?:0|[1-9][0-9]{2})\Z} [string range $text $first $last]]} {
            set status [string range $text $first $last]
        }
        foreach {type first last} [call bsm_json_find $members error] {
            break
        }
        if {$type eq "object"} {
            set text [string range $text $first $last]
            set members [lindex [call bsm_json_read $text 32 100] 1]
        }
        foreach name {OriginalMessage message Message error} {
            if {$message eq ""} {
                set message [call bsm_json_string $text $members $name]
            }
        }
    }
    regexp -- {\AReceived [a-z]+ error \([0-9]+\) from [^ ]+ with message "(.*)"[.] See http} $message all message
    # A caller may have a model quote him, and what follows looks from every "http" onwards.
    set message [string range $message 0 7999]
    regsub -all -- {https?://[^ "]*console[^ "]*} $message "" message
    regsub -all -- {arn:aws[^ "]*} $message "" message
    regsub -all -- {Endpoint [A-Za-z0-9-]+ of account [0-9]+} $message "The endpoint" message
    regsub -all -- {\y[0-9]{12}\y} $message "" message
    if {[string length $message] > 2000} {
        regsub -- {[\xc0-\xff]?[\x80-\xbf]*\Z} [string range $message 0 1999] "" message
    }
    if {$message eq ""} {
        set message "the model's endpoint answered with an error"
    }
    # A container that does not know its caller, or did not answer in time, is no affair of the gateway's caller.
    if {$status == 0} {
        set status 504
    } elseif {$status < 400 || $status > 599 || [lsearch -exact {401 403 407} $status] >= 0} {
        set status 502
    }
    set type invalid_request_error
    if {$status >= 500} {
        set type server_error
    }
    set message [call bsm_json_quote $message]
    set details "\"type\":\"$type\",\"param\":null,\"code\":\"model_error\",\"request_id\":\"$request_id\""
    return [list $status "{\"error\":{\"message\":\"$message\",$details}}"]
}

# What OpenAI clients write, as the container takes it: its own name of the model, the upstream's defaults.
# @param record   fields of the route's record
# @param body     JSON
# @param members  what bsm_json_read returned for it
# @return 1 if the model is the route's, else 0; the body; its members; 1 if a stream is wanted by its operation
proc bsm_translate {record body members} {
    foreach {version format alias served heat most} $record {
        break
    }
    if {$version ne "1"} {
        error "the record of the route is not in the expected form"
    }
    if {$alias ne ""} {
        foreach {kind first last} [call bsm_json_find $members model] {
            break
        }
        if {$kind ne "string"} {
            return [list 0 $body $members 0]
        }
        if {[call bsm_json_text [string range $body [expr {$first + 1}] [expr {$last - 1}]]] ne $alias} {
            return [list 0 $body $members 0]
        }
        foreach {body members} [call bsm_json_put $body $members model "\"$served\"" string] {
            break
        }
    }
    if {$heat ne "" && [lindex [call bsm_json_find $members temperature] 0] eq "none"} {
        foreach {body members} [call bsm_json_put $body $members temperature $heat number] {
            break
        }
    }
    # The newer name of max_tokens counts too.
    if {$most ne "" && [lindex [call bsm_json_find $members max_completion_tokens] 0] eq "none"} {
        if {[lindex [call bsm_json_find $members max_tokens] 0] eq "none"} {
            foreach {body members} [call bsm_json_put $body $members max_tokens $most number] {
                break
            }
        }
    }
    foreach {kind first last} [call bsm_json_find $members stream] {
        break
    }
    set streams [expr {$format eq "openai" && [string range $body $first $last] eq "true"}]
    return [list 1 $body $members $streams]
}

# Splits a text behind its last server-sent event that is whole.
# @return the whole events; the rest
proc bsm_whole_events {text} {
    set end -1
    foreach blank [list "\n\n" "\r\n\r\n" "\r\r"] {
        set at [string last $blank $text]
        if {$at >= 0 && $at + [string length $blank] - 1 > $end} {
            set end [expr {$at + [string length $blank] - 1}]
        }
    }
    return [list [string range $text 0 $end] [string range $text [expr {$end + 1}] end]]
}

# The data of server-sent events, one element for each event that has some.
# @param events  whole events
proc bsm_event_data {events} {
    set found [list]
    set data ""
    foreach line [split [string map [list "\r\n" "\n" "\r" "\n"] $events] "\n"] {
        if {[string match data:* $line]} {
            append data "\n" [string range $line [expr {5 + [string match "data: *" $line]}] end]
        } elseif {$line eq "" && $data ne ""} {
            lappend found [string range $data 1 end]
            set data ""
        }
    }
    return $found
}

# The events that end a stream before its time.
proc bsm_stop_event {reason request_id} {
    set details "\"type\":\"gateway_error\",\"param\":null,\"code\":\"$reason\",\"request_id\":\"$request_id\""
    return "data: {\"error\":{\"message\":\"the gateway ended this answer\",$details}}\n\ndata: \[DONE]\n\n"
}

# The members of a JSON object, those of its top level only. Raises an error for anything but one well-formed object
# whose names are distinct and whose nesting ends at the eighth level.
# @return names; kinds (string, number, word, list of strings, other); values: text, or a list of texts
proc bsm_json {text} {
    foreach {reason members} [call bsm_json_read $text 8 1000] {
        break
    }
    if {$reason ne ""} {
        error "not JSON"
    }
    set names [list]
    set kinds [list]
    set values [list]
    foreach {name type first last} $members {
        set kind other
        set value [string range $text $first $last]
        switch -exact -- $type {
            string {
                set kind string
                set value [call bsm_json_text [string range $value 1 end-1]]
            }
            number {
                set kind number
            }
            boolean - null {
                set kind word
            }
            array {
                set string {"(?:[^"\\]|\\.)*"}
                if {[regexp -- "\\A\\\[(?:\[ \\t\\r\\n,\]|$string)*\\]\\Z" $value]} {
                    set kind list
                    set items [list]
                    foreach item [regexp -all -inline -- $string $value] {
                        lappend items [call bsm_json_text [string range $item 1 end-1]]
                    }
                    set value $items
                }
            }
        }
        lappend names $name
        lappend kinds $kind
        lappend values $value
    }
    return [list $names $kinds $values]
}

# Kind and value of one member of an object; kind none if there is no such member.
# @param object  what bsm_json returned
proc bsm_member {object name} {
    set at [lsearch -exact [lindex $object 0] $name]
    if {$at < 0} {
        return [list none ""]
    }
    return [list [lindex [lindex $object 1] $at] [lindex [lindex $object 2] $at]]
}

# A time of a token (RFC 7519, section 2), in whole seconds since 1970. Raises an error for anything else.
# @param missing  what holds if there is none; an empty one means that it is needed
proc bsm_time {claims name missing} {
    foreach {kind value} [call bsm_member $claims $name] {
        break
    }
    if {$kind eq "none" && $missing ne ""} {
        return $missing
    }
    # No leading zero, so Tcl reads a decimal number; twelve digits are far from where numbers wrap.
    if {$kind ne "number" || ![regexp -- {^([0-9]{1,12})(?:[.][0-9]+)?$} $value all seconds]} {
        error "not a time"
    }
    return $seconds
}

# The names that a claim lists, of those that gateway.yaml can have; at most 256.
# @param claim      name of the claim; a text or a list of texts
# @param separator  what stands between names in a text; empty if a text is one name
proc bsm_names {claims claim separator} {
    foreach {kind value} [call bsm_member $claims $claim] {
        break
    }
    if {$kind eq "string" && $separator ne ""} {
        set value [split $value $separator]
    } elseif {$kind eq "string"} {
        set value [list $value]
    } elseif {$kind ne "list"} {
        return [list]
    }
    set names [list]
    foreach name [lrange $value 0 255] {
        if {[regexp -- {^[A-Za-z0-9 ._@+=,:/-]{1,64}$} $name]} {
            lappend names $name
        }
    }
    return $names
}

# The bytes of a text in base64url without padding (RFC 7515, appendix C). Raises an error if it is not that.
# @param text  of A-Z a-z 0-9 - _ only
proc bsm_base64url {text} {
    set padded [string map {- + _ /} $text]
    switch -exact -- [expr {[string length $text] % 4}] {
        1 {
            error "not base64url"
        }
        2 {
            append padded ==
        }
        3 {
            append padded =
        }
    }
    set bytes [b64decode $padded]
    if {[string length $bytes] != [string length $text] * 3 / 4} {
        error "not base64url"
    }
    return $bytes
}

# Verifies a token (RFC 7515, 7519), signed with RS256. One that was verified on this connection is recognized by its
# hash for 5 minutes, as long as the record of its key is the same.
# @param token   as presented
# @param before  what the last call on this connection returned, or empty
# @return reason of the refusal; or an empty element, hash, epoch second until which it is recognized, name and record
#         of the key, identity, subject, class, groups, scopes
proc bsm_jwt {token before} {
    if {[string length $token] > 8192} {
        return jwt-too-large
    }
    set now [clock seconds]
    binary scan [CRYPTO::hash -alg sha256 $token] H* digest
    if {$digest eq [lindex $before 1] && $now < [lindex $before 2]} {
        if {[class match -value -- [lindex $before 3] equals /bigip_sm/enterprise.jwks] eq [lindex $before 4]} {
            return $before
        }
    }
    if {![regexp -- {^([A-Za-z0-9_-]+)[.]([A-Za-z0-9_-]+)[.]([A-Za-z0-9_-]*)$} $token all head body tail]} {
        return jwt-malformed
    }
    if {[catch {
        set header [call bsm_json [call bsm_base64url $head]]
        set claims [call bsm_json [call bsm_base64url $body]]
        set expires [call bsm_time $claims exp ""]
        set begins [call bsm_time $claims nbf 0]
        set issued [call bsm_time $claims iat 0]
    } problem] == 1} {
        return jwt-malformed
    }
    # Nothing but RS256: the key is never taken for that of another algorithm, and no extension is passed over.
    if {[call bsm_member $header alg] ne "string RS256" || [lindex [call bsm_member $header crit] 0] ne "none"} {
        return jwt-algorithm
    }

    # The issuer only chooses the keys: a token is its issuer's when one of them verifies it.
    foreach {kind issuer} [call bsm_member $claims iss] {
        break
    }
    if {$kind ne "string"} {
        return jwt-issuer
    }
    set groups [list]
    set scopes [list]
    switch -exact -- $issuer {
        {https://acme.okta.com/oauth2/default} {
            set identity okta
            set audiences {models}
            set audience_claim {aud}
            set subject_claim {sub}
            set leeway 60
            set max_size 8192
            set groups [call bsm_names $claims {groups} ""]
            set scopes [call bsm_names $claims {scp} " "]
            set class human
            foreach {kind value} [call bsm_member $claims {kind}] {
                break
            }
            if {$kind eq "string"} {
                switch -exact -- $value {
                    {bot} {
                        set class agent
                    }
                    {app} {
                        set class service
                    }
                }
            }
        }
        default {
            return jwt-issuer
        }
    }
    if {[string length $token] > $max_size} {
        return jwt-too-large
    }

    foreach {kind id} [call bsm_member $header kid] {
        break
    }
    if {$kind ne "string" || ![regexp -- {^[\x21-\x7e]{1,128}$} $id]} {
        return jwt-unknown-key
    }
    # The key's name begins with the identity, so no issuer can sign with the key of another.
    set name $identity/[string map {+ - / _ = ""} [b64encode $id]]
    set record [class match -value -- $name equals /bigip_sm/enterprise.jwks]
    foreach {version algorithm not_after key} [split $record |] {
        break
    }
    if {![regexp -- {^1\|RS256\|[1-9][0-9]{9}\|[A-Za-z0-9+/=]+$} $record] || $not_after <= $now} {
        return jwt-unknown-key
    }
    regsub -all -- {.{64}} $key "&\n" lines
    set pem "-----BEGIN PUBLIC KEY-----\n[string trim $lines]\n-----END PUBLIC KEY-----\n"
    if {[catch {
        binary scan [CRYPTO::decrypt -alg rsa-pub -key $pem [call bsm_base64url $tail]] H* signed
    } problem] == 1} {
        return jwt-signature
    }
    # The whole DigestInfo of SHA-256 (RFC 8017, section 9.2), so that nothing can stand before or after the hash.
    binary scan [CRYPTO::hash -alg sha256 $head.$body] H* hash
    if {$signed ne "3031300d060960864801650304020105000420$hash"} {
        return jwt-signature
    }

    if {$expires + $leeway <= $now} {
        return jwt-expired
    }
    if {$begins - $leeway > $now || $issued - $leeway > $now} {
        return jwt-not-yet
    }
    foreach {kind given} [call bsm_member $claims $audience_claim] {
        break
    }
    if {$kind eq "string"} {
        set given [list $given]
    } elseif {$kind ne "list"} {
        return jwt-audience
    }
    set ours 0
    foreach audience $audiences {
        if {[lsearch -exact $given $audience] >= 0} {
            set ours 1
        }
    }
    if {!$ours} {
        return jwt-audience
    }
    foreach {kind subject} [call bsm_member $claims $subject_claim] {
        break
    }
    if {$kind ne "string" || ![regexp -- {^[A-Za-z0-9 ._@+=,:/-]{1,128}$} $subject]} {
        return jwt-subject
    }
    set until [lindex [lsort -integer [list [expr {$now + 300}] [expr {$expires + $leeway}] $not_after]] 0]
    return [list "" $digest $until $name $record $identity $subject $class $groups $scopes]
}

# Whether a caller may use a route, and with which role. Two records at most: that of the subject, then that of all of
# the identity, in which counts what a token brings along.
# @return 1 or 0; the role, empty if it is the upstream's own
proc bsm_access {route identity subject class groups scopes} {
    set allowed 0
    set role ""
    foreach key [list "$route|$identity:$subject" "$route|$identity:"] {
        set fields [split [class match -value -- $key equals /enterprise/gateway/access] |]
        if {[lindex $fields 0] eq "1"} {
            set allowed 1
        }
        foreach field [lrange $fields 1 end] {
            set at [string first / $field]
            set name [string range $field [expr {$at + 1}] end]
            switch -exact -- [string range $field 0 [expr {$at - 1}]] {
                group {
                    if {[lsearch -exact $groups $name] >= 0} {
                        set allowed 1
                    }
                }
                scope {
                    if {[lsearch -exact $scopes $name] >= 0} {
                        set allowed 1
                    }
                }
                class {
                    if {$name eq $class} {
                        set allowed 1
                    }
                }
                role {
                    set at [string first / $name]
                    set member [string range $name [expr {$at + 1}] end]
                    if {$role eq "" && ($member eq "" || [lsearch -exact $groups $member] >= 0)} {
                        set role [string range $name 0 [expr {$at - 1}]]
                    }
                }
            }
        }
    }
    return [list $allowed $role]
}

# Fires for resumed sessions too, so that their identity is the one of the session's certificate.
when CLIENTSSL_HANDSHAKE priority 500 {
    set bsm_at_tls [clock clicks -milliseconds]
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
        log local0.err "bigip-sm enterprise/public: a client certificate could not be read"
    }
}

# A text of the caller inside a JSON string: printable ASCII, 256 characters at most.
proc bsm_quoted {text} {
    regsub -all -- {[^\x20-\x7e]} [string range $text 0 255] ? text
    return [string map {\\ \\\\ \" \\\"} $text]
}

# A number, or null where there is none.
proc bsm_or_null {number} {
    if {$number eq ""} {
        return null
    }
    return $number
}

# Sends the record of the request, once. docs/audit.md has its fields. Whatever goes wrong here goes wrong for the record
# alone: the request is answered as it would be without it.
proc bsm_audit {} {
    upvar 1 bsm_recorded recorded bsm_log handle bsm_id id bsm_connection_id connection bsm_number number
    upvar 1 bsm_method method bsm_path path bsm_route route bsm_target target bsm_region region bsm_stage stage
    upvar 1 bsm_identity identity bsm_subject subject bsm_told told bsm_told_status told_status
    upvar 1 bsm_answered answered bsm_got got bsm_gave gave bsm_proof proof bsm_aws_id aws_id
    upvar 1 bsm_operation operation
    upvar 1 bsm_hits hits
    upvar 1 bsm_total total bsm_estimated estimated
    upvar 1 bsm_findings findings
    upvar 1 bsm_class class bsm_groups groups
    upvar 1 bsm_at_accepted at_accepted bsm_at_tls at_tls bsm_at_request at_request bsm_at_body at_body
    upvar 1 bsm_at_signed at_signed bsm_at_sent at_sent bsm_at_answer at_answer bsm_at_last at_last
    if {$recorded} {
        return
    }
    set recorded 1
    if {[catch {
        set upstream [lindex $target 4]
        set of_route [class match -value -- $route equals /enterprise/gateway/audit]
        if {$of_route eq ""} {
            set of_route [class match -value -- - equals /enterprise/gateway/audit]
        }
        foreach {version endpoint approver ticket date tags policy revision only} [split $of_route |] {
            break
        }
        if {$told eq ""} {
            set decision allowed
            set why null
        } elseif {[lsearch -exact {answer-blocked answer-invalid answer-too-large aws-refused circuit-open credentials-expired credentials-invalid credentials-missing internal-error model-stream-failed no-region-available overloaded stream-invalid upstream-unreachable} $told] >= 0} {
            set decision failed
            set why \"$told\"
        } else {
            set decision refused
            set why \"$told\"
        }
        set status [expr {$told ne "" ? $told_status : $answered}]
        set record "{\"version\":1,\"gateway\":\"enterprise\",\"listener\":\"public\",\"time\":$at_request"
        append record ",\"request_id\":\"$id\",\"connection_id\":\"$connection\",\"number\":$number"
        append record ",\"method\":\"[call bsm_quoted $method]\",\"path\":\"[call bsm_quoted $path]\""
        if {$identity eq ""} {
            append record ",\"identity\":null,\"subject\":null"
        } else {
            append record ",\"identity\":\"$identity\",\"subject\":\"[call bsm_quoted $subject]\""
        }
        if {$class eq ""} {
            append record ",\"class\":null"
        } else {
            append record ",\"class\":\"$class\""
        }
        set listed [list]
        foreach name [lrange $groups 0 31] {
            lappend listed \"[call bsm_quoted $name]\"
        }
        append record ",\"groups\":\[[join $listed ,]\]"
        if {$route eq ""} {
            append record ",\"route\":null,\"operation\":null,\"upstream\":null,\"endpoint\":null,\"role\":null"
            append record ",\"approved_by\":null,\"ticket\":null,\"approved_on\":null,\"tags\":{}"
        } else {
            set fields [list route $route upstream $upstream endpoint $endpoint role [lindex $target 5]]
            foreach {name value} [concat $fields [list approved_by $approver ticket $ticket approved_on $date]] {
                append record ",\"$name\":\"[call bsm_quoted $value]\""
            }
            append record ",\"tags\":{$tags}"
            if {$operation eq ""} {
                set operation $only
            }
            append record ",\"operation\":[expr {$operation eq {} ? {null} : "\"$operation\""}]"
        }
        append record ",\"region\":[expr {$region eq {} ? {null} : "\"[lindex $region 0]\""}]"
        append record ",\"decision\":\"$decision\",\"reason\":$why,\"stage\":\"$stage\""
        append record ",\"status\":[call bsm_or_null $status]"
        append record ",\"request_bytes\":[call bsm_or_null $got],\"answer_bytes\":[call bsm_or_null $gave]"
        append record ",\"policy\":\"$policy\",\"revision\":\"$revision\",\"retention_days\":365"
        append record ",\"at\":{\"accepted\":$at_accepted,\"tls\":[call bsm_or_null $at_tls],\"request\":$at_request"
        append record ",\"body\":[call bsm_or_null $at_body],\"signed\":[call bsm_or_null $at_signed]"
        append record ",\"sent\":[call bsm_or_null $at_sent],\"answer\":[call bsm_or_null $at_answer]"
        append record ",\"last\":[call bsm_or_null $at_last]}"
        set noted [list]
        foreach finding [lrange $findings 0 31] {
            lappend noted \"[call bsm_quoted $finding]\"
        }
        append record ",\"findings\":\[[join $noted ,]\]"
        set noted [list]
        foreach hit [lrange $hits 0 31] {
            lappend noted \"[call bsm_quoted $hit]\"
        }
        append record ",\"limits\":\[[join $noted ,]\]"
        if {$total eq ""} {
            append record ",\"tokens\":null"
        } else {
            append record ",\"tokens\":{\"total\":$total,\"estimated\":$estimated}"
        }
        if {$told eq "aws-refused" && [llength $proof] == 5} {
            foreach {stamp scope signed payload canonical} $proof {
                break
            }
            append record ",\"aws\":{\"request_id\":\"[call bsm_quoted $aws_id]\",\"amz_date\":\"$stamp\",\"scope\":\"$scope\""
            append record ",\"signed_headers\":\"$signed\",\"payload_sha256\":\"$payload\",\"canonical_sha256\":\"$canonical\"}"
        } else {
            append record ",\"aws\":null"
        }
        append record "}\n"
        HSL::send $handle $record
    } bsm_error] == 1} {
        log local0.err "bigip-sm enterprise/public: no audit record of request $id"
    }
}

when CLIENT_ACCEPTED priority 500 {
    set bsm_at_accepted [clock clicks -milliseconds]
    set bsm_at_tls ""
    set bsm_number 0
    set bsm_recorded 1
    set bsm_log ""
    set bsm_connection_id [format %02x [TMM::cmp_unit]]
    append bsm_connection_id - [format %08x [expr {int(rand() * 4294967295.0)}]]
    append bsm_connection_id [format %08x [expr {int(rand() * 4294967295.0)}]]
    if {[catch {HSL::open -proto TCP -pool /enterprise/gateway/audit_entry} bsm_log] == 1} {
        log local0.err "bigip-sm enterprise/public: audit records cannot be sent"
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
            log local0.err "bigip-sm enterprise/public: request $bsm_id failed in stage $bsm_stage"
            if {![HTTP::has_responded]} {
                call bsm_refuse internal-error $bsm_id $bsm_connection
            }
        }
        if {!$bsm_forwarded} {
            call bsm_release $bsm_held
            set bsm_held [list]
            set bsm_owed [list]
            call bsm_audit
        }
        return
    }
    set bsm_retrying 0
    set bsm_whole ""
    set bsm_stage read
    if {[info exists bsm_owed]} {
        if {[catch {
            if {[llength $bsm_owed]} {
                if {$bsm_total eq ""} {
                    # Nothing was told, or the caller has left: about a token for each event.
                    set bsm_total [expr {$bsm_prompt + $bsm_events}]
                    set bsm_estimated true
                }
                set bsm_meters $bsm_owed
                set bsm_owed [list]
                call bsm_spend $bsm_meters $bsm_total
            }
        } bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: what request $bsm_id has cost could not be counted"
        }
    }
    call bsm_audit
    incr bsm_number
    set bsm_recorded 0
    set bsm_at_request [clock clicks -milliseconds]
    set bsm_at_body ""
    set bsm_at_signed ""
    set bsm_at_sent ""
    set bsm_at_answer ""
    set bsm_at_last ""
    set bsm_told ""
    set bsm_told_status ""
    set bsm_answered ""
    set bsm_got ""
    set bsm_gave ""
    set bsm_proof [list]
    set bsm_aws_id ""
    set bsm_method ""
    set bsm_path ""
    set bsm_identity ""
    set bsm_subject ""
    set bsm_class ""
    set bsm_groups [list]
    set bsm_findings [list]
    set bsm_route ""
    set bsm_operation ""
    set bsm_hits [list]
    set bsm_total ""
    set bsm_estimated false
    set bsm_target [list]
    set bsm_region ""
    set bsm_forwarded 0
    set bsm_connection close
    set bsm_tried 0
    set bsm_replaced [list]
    set bsm_hash ""
    set bsm_high [expr {int(rand() * 4294967295.0)}]
    set bsm_id [format %02x-%08x%08x [TMM::cmp_unit] $bsm_high [expr {int(rand() * 4294967295.0)}]]
    if {[catch {
        set bsm_stage settle
        # The answer before this one on the connection has ended, whether or not its end could be seen.
        if {[info exists bsm_held]} {
            call bsm_release $bsm_held
        }
        set bsm_held [list]
        if {[info exists bsm_owed]} {
        if {[llength $bsm_owed]} {
            if {$bsm_total eq ""} {
                # Nothing was told, or the caller has left: about a token for each event.
                set bsm_total [expr {$bsm_prompt + $bsm_events}]
                set bsm_estimated true
            }
            set bsm_meters $bsm_owed
            set bsm_owed [list]
            call bsm_spend $bsm_meters $bsm_total
        }
        }
        set bsm_owed [list]

        set bsm_stage read
        set bsm_method [HTTP::method]
        set bsm_path [HTTP::path]
        set bsm_type ""
        set bsm_findings [list]
        set bsm_length ""
        set bsm_transfer ""
        set bsm_expect ""
        set bsm_encoding ""
        set bsm_bearer [list]
        set bsm_sent [list]
        set bsm_key_partner [list]
        set bsm_host [HTTP::host]
        if {[lsearch -exact {models.example.com} [lindex [split [string tolower $bsm_host] :] 0]] < 0} {
            call bsm_refuse unknown-host $bsm_id $bsm_connection
            return
        }

        set bsm_stage strip
        set bsm_given [string tolower [HTTP::header names]]
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
                authorization {
                    # Basic, AWS4-HMAC-SHA256 and others mean nothing here and go away unread.
                    set bsm_value [HTTP::header value $bsm_name]
                    if {[regexp -nocase -- {^bearer(?:[ \t]|$)} $bsm_value]} {
                        set bsm_bearer [list [string trim [string range $bsm_value 6 end]]]
                    }
                    set bsm_stays 0
                }
                x-api-key {
                    set bsm_key_partner [list [HTTP::header value $bsm_name]]
                    set bsm_stays 0
                }
                x-amz-target {
                    # SigV4 signs a header's value with single blanks.
                    regsub -all -- { +} [string trim [HTTP::header value $bsm_name]] " " bsm_value
                    if {[string length $bsm_value] > 1024 || ![regexp -- {^[\x20-\x7e]*$} $bsm_value]} {
                        call bsm_refuse header-invalid $bsm_id $bsm_connection
                        return
                    }
                    lappend bsm_sent x-amz-target $bsm_value
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
        set bsm_class ""
        set bsm_groups [list]
        set bsm_scopes [list]
        switch -exact -- $bsm_certificate {
            verified {
                if {$bsm_identity eq ""} {
                    set bsm_identity workload
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
        if {$bsm_identity eq "" && [llength $bsm_bearer] == 1} {
            if {![info exists bsm_token]} {
                set bsm_token ""
            }
            set bsm_token [call bsm_jwt [lindex $bsm_bearer 0] $bsm_token]
            if {[lindex $bsm_token 0] ne ""} {
                call bsm_refuse [lindex $bsm_token 0] $bsm_id $bsm_connection
                return
            }
            set bsm_identity [lindex $bsm_token 5]
            set bsm_subject [lindex $bsm_token 6]
            set bsm_class [lindex $bsm_token 7]
            set bsm_groups [lindex $bsm_token 8]
            set bsm_scopes [lindex $bsm_token 9]
        }
        # Only the hash of a key is known here, and a look-up by hash takes no longer for a key that is nearly right.
        if {$bsm_identity eq "" && [llength $bsm_key_partner] == 1} {
            binary scan [CRYPTO::hash -alg sha256 [lindex $bsm_key_partner 0]] H* bsm_hash
            set bsm_holder_of_key [split [class match -value -- $bsm_hash equals /enterprise/gateway/keys_partner] |]
            if {[lindex $bsm_holder_of_key 0] ne "1"} {
                call bsm_refuse api-key-unknown $bsm_id $bsm_connection
                return
            }
            set bsm_identity partner
            set bsm_subject [lindex $bsm_holder_of_key 2]
        }
        if {$bsm_identity eq ""} {
            set bsm_subject [class match -value -- [IP::client_addr] equals /enterprise/gateway/networks_batch]
            if {$bsm_subject ne ""} {
                set bsm_identity batch
            }
        }
        set bsm_bearer [list]
        set bsm_key_partner [list]
        if {$bsm_identity eq ""} {
            call bsm_refuse unauthenticated $bsm_id $bsm_connection
            return
        }

        set bsm_stage route
        set bsm_target [class match -value -- "$bsm_method $bsm_path" equals /enterprise/gateway/routes_public]
        if {$bsm_target eq ""} {
            # A path that equals a route's is in normal form already; any other has to prove it.
            if {![call bsm_is_normal $bsm_path]} {
                call bsm_refuse path-not-normalized $bsm_id $bsm_connection
                return
            }
        }
        if {$bsm_target eq ""} {
            set bsm_allow [class match -value -- "* $bsm_path" equals /enterprise/gateway/routes_public]
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
        set bsm_access [call bsm_access $bsm_route $bsm_identity $bsm_subject $bsm_class $bsm_groups $bsm_scopes]
        if {![lindex $bsm_access 0]} {
            call bsm_refuse not-allowed $bsm_id $bsm_connection
            return
        }
        if {[lindex $bsm_access 1] ne ""} {
            set bsm_target [lreplace $bsm_target 5 5 [lindex $bsm_access 1]]
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

        set bsm_stage content
        if {[lsearch -exact $bsm_stages content] >= 0} {
            set bsm_record [split [class match -value -- $bsm_route equals /enterprise/gateway/validation] |]
            foreach {bsm_version bsm_types bsm_required bsm_levels bsm_most} $bsm_record {
                break
            }
            foreach {bsm_longest bsm_models bsm_fields bsm_form} [lrange $bsm_record 5 end] {
                break
            }
            if {$bsm_version ne "1"} {
                error "the record of the route is not in the expected form"
            }
            foreach bsm_name $bsm_required {
                if {[lsearch -exact $bsm_given $bsm_name] < 0} {
                    call bsm_refuse header-missing $bsm_id $bsm_connection
                    return
                }
            }
            set bsm_is_json 1
            if {$bsm_size > 0 || $bsm_transfer ne ""} {
                set bsm_media ""
                regexp -nocase -- {^([^ \t;]+)[ \t]*(?:;[ \t]*charset="?utf-8"?)?$} $bsm_type all bsm_media
                set bsm_media [string tolower $bsm_media]
                if {[lsearch -exact $bsm_types $bsm_media] < 0} {
                    call bsm_refuse content-type-refused $bsm_id $bsm_connection
                    return
                }
                set bsm_is_json [expr {$bsm_media eq "application/json" || [string match *+json $bsm_media]}]
            }
        }

        set bsm_stage target
        # What the kind of the upstream makes of the request. What a route allows is data; how it is read is here.
        if {[lsearch -exact $bsm_stages target] >= 0} {
            set bsm_rule [split [class match -value -- $bsm_route equals /enterprise/gateway/targets] |]
            set bsm_words [lindex $bsm_rule 6]
            set bsm_where [lindex $bsm_target 7]
            set bsm_rest [string range $bsm_path [lindex $bsm_rule 2] end]
            set bsm_attributes ""
            set bsm_extra [list]
            if {[lindex $bsm_rule 0] ne "1"} {
                call bsm_refuse internal-error $bsm_id $bsm_connection
                return
            }
            foreach bsm_pair [split [lindex $bsm_rule 4] ,] {
                set bsm_at [string first = $bsm_pair]
                lappend bsm_extra [string range $bsm_pair 0 [expr {$bsm_at - 1}]]
                lappend bsm_extra [string range $bsm_pair [expr {$bsm_at + 1}] end]
            }
            foreach bsm_allowed [split [lindex $bsm_rule 5] ,] {
                set bsm_allowed [split $bsm_allowed]
                foreach {bsm_name bsm_value} $bsm_sent {
                    if {$bsm_name eq [lindex $bsm_allowed 0]} {
                        if {![call bsm_is_listed $bsm_value [lrange $bsm_allowed 1 end]]} {
                            call bsm_refuse header-not-allowed $bsm_id $bsm_connection
                            return
                        }
                        lappend bsm_extra $bsm_name $bsm_value
                    }
                }
            }
            switch -exact -- [lindex $bsm_rule 1] {
                action {
                    # The operation is what X-Amz-Target names, and only that: SageMaker.<operation>.
                    set bsm_verb ""
                    foreach {bsm_name bsm_value} $bsm_sent {
                        if {$bsm_name eq "x-amz-target"} {
                            regexp -- {\ASageMaker[.]([A-Za-z]{1,64})\Z} $bsm_value bsm_all bsm_verb
                        }
                    }
                    if {$bsm_verb eq "" || [lsearch -exact [split $bsm_words] $bsm_verb] < 0} {
                        call bsm_refuse operation-not-allowed $bsm_id $bsm_connection
                        return
                    }
                    lappend bsm_extra x-amz-target SageMaker.$bsm_verb
                    set bsm_type application/x-amz-json-1.1
                    set bsm_query ""
                    HTTP::header replace Content-Type $bsm_type
                }
                default {
                    call bsm_refuse internal-error $bsm_id $bsm_connection
                    return
                }
            }
            # SageMaker drops every header that it does not know; these two reach the model. The subject's alphabet is
            # bounded, so encoding these characters is enough to keep it from adding an attribute.
            if {[lindex $bsm_rule 3] eq "attributes"} {
                set bsm_named [string map {" " %20 + %2B , %2C / %2F : %3A = %3D @ %40} $bsm_identity:$bsm_subject]
                set bsm_attributes [string trimright principal=$bsm_named,route=$bsm_route,$bsm_attributes ,]
            }
            if {$bsm_attributes ne ""} {
                lappend bsm_extra x-amzn-sagemaker-custom-attributes $bsm_attributes
            }
            if {[lindex $bsm_rule 3] ne "none"} {
                lappend bsm_extra x-amzn-sagemaker-inference-id $bsm_id
            }
            set bsm_target [lreplace $bsm_target 7 7 $bsm_where]
            lappend bsm_target $bsm_extra
        }

        set bsm_stage quota
        set bsm_caller $bsm_identity:$bsm_subject
        set bsm_style ""
        set bsm_rates [list]
        set bsm_slots [list]
        set bsm_meters [list]
        set bsm_context 0
        set bsm_cap 0
        set bsm_prompt 0
        set bsm_hidden 0
        if {[lsearch -exact $bsm_stages quota] >= 0} {
            set bsm_quota [call bsm_quota $bsm_route $bsm_caller ""]
            foreach {bsm_reason bsm_style bsm_rates bsm_slots bsm_meters bsm_context bsm_cap} $bsm_quota {
                break
            }
            if {$bsm_reason ne ""} {
                set bsm_retry [lindex $bsm_rates 4]
                call bsm_refuse $bsm_reason $bsm_id $bsm_connection "" $bsm_retry [call bsm_rate_headers $bsm_style $bsm_rates]
                return
            }
        }

        set bsm_stage collect
        set bsm_caller $bsm_identity:$bsm_subject
        if {$bsm_scheme eq "bearer" && [lsearch -exact $bsm_stages body] < 0} {
            # The token does not cover the body, so the body streams through in both directions.
            if {$bsm_transfer ne ""} {
                call bsm_refuse length-required $bsm_id $bsm_connection
                return
            }
            if {[llength $bsm_slots]} {
                foreach {bsm_reason bsm_held} [call bsm_acquire $bsm_slots] {
                    break
                }
                if {$bsm_reason ne ""} {
                    call bsm_refuse $bsm_reason $bsm_id $bsm_connection "" 1 [list]
                    return
                }
            }
            # What the answer costs is owed from here on, also by a caller who does not wait for it.
            set bsm_owed $bsm_meters
            set bsm_total ""
            set bsm_events 0
            set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type "" $bsm_id $bsm_connection]
            if {$bsm_region ne ""} {
                set bsm_forwarded 1
                set bsm_at_signed [clock clicks -milliseconds]
                if {$bsm_expect ne ""} {
                    SSL::respond "HTTP/1.1 100 Continue\r\n\r\n"
                }
            }
            if {$bsm_region eq ""} {
                call bsm_release $bsm_held
                set bsm_held [list]
                set bsm_owed [list]
            }
            return
        }
        if {$bsm_size == 0 && $bsm_transfer eq ""} {
            set bsm_body ""
            if {[lsearch -exact $bsm_stages measure] >= 0} {
                set bsm_stage measure
                set bsm_prompt [expr {([string length $bsm_body] + 3) / 4}]
                if {$bsm_context > 0 && $bsm_prompt > $bsm_context} {
                    call bsm_refuse context-too-long $bsm_id keep-alive
                    return
                }
            }
            if {[lsearch -exact $bsm_stages json] >= 0} {
                set bsm_stage json
                set bsm_members [list]
                set bsm_bounds {32 1000}
                set bsm_read [expr {$bsm_body ne "" || [lsearch -exact {GET HEAD DELETE} $bsm_method] < 0}]
                if {[lsearch -exact $bsm_stages content] >= 0} {
                    set bsm_bounds [list $bsm_levels $bsm_most]
                    set bsm_read [expr {$bsm_read && $bsm_is_json}]
                }
                if {$bsm_read} {
                    foreach {bsm_levels bsm_most} $bsm_bounds {
                        break
                    }
                    foreach {bsm_reason bsm_members} [call bsm_json_read $bsm_body $bsm_levels $bsm_most] {
                        break
                    }
                    if {$bsm_reason ne ""} {
                        call bsm_refuse $bsm_reason $bsm_id keep-alive
                        return
                    }
                }
            }
            if {[lsearch -exact $bsm_stages validate] >= 0} {
                set bsm_stage validate
                if {$bsm_models ne ""} {
                    foreach {bsm_kind bsm_first bsm_last} [call bsm_json_find $bsm_members model] {
                        break
                    }
                    if {$bsm_kind ne "string"} {
                        call bsm_refuse model-missing $bsm_id keep-alive
                        return
                    }
                    incr bsm_first
                    incr bsm_last -1
                    set bsm_model [call bsm_json_text [string range $bsm_body $bsm_first $bsm_last]]
                    if {[lsearch -exact $bsm_models $bsm_model] < 0} {
                        call bsm_refuse model-not-allowed $bsm_id keep-alive
                        return
                    }
                }
                if {$bsm_fields ne ""} {
                    foreach {bsm_name bsm_kind bsm_first bsm_last} $bsm_members {
                        if {[lsearch -exact $bsm_fields $bsm_name] < 0} {
                            call bsm_refuse field-not-allowed $bsm_id keep-alive
                            return
                        }
                    }
                }
                if {$bsm_longest > 0 && $bsm_is_json && [call bsm_json_longest $bsm_body] > $bsm_longest} {
                    call bsm_refuse json-too-complex $bsm_id keep-alive
                    return
                }
                if {$bsm_form ne "" && ![call bsm_json_has_form $bsm_body $bsm_members $bsm_form]} {
                    call bsm_refuse shape-invalid $bsm_id keep-alive
                    return
                }
            }
            if {[lsearch -exact $bsm_stages operation] >= 0} {
                set bsm_stage operation
                foreach {bsm_kind bsm_first bsm_last} [call bsm_json_find $bsm_members stream] {
                    break
                }
                set bsm_operation infer
                # Models take more than true for true.
                if {[lsearch -exact {{} false null} [string range $bsm_body $bsm_first $bsm_last]] < 0} {
                    set bsm_operation infer:stream
                }
                set bsm_key $bsm_route/$bsm_operation
                if {![lindex [call bsm_access $bsm_key $bsm_identity $bsm_subject $bsm_class $bsm_groups $bsm_scopes] 0]} {
                    call bsm_refuse operation-not-granted $bsm_id keep-alive
                    return
                }
            }
            if {[lsearch -exact $bsm_stages ask] >= 0} {
                set bsm_stage ask
                if {$bsm_cap > 0} {
                    foreach {bsm_reason bsm_body bsm_members} [call bsm_cap_tokens $bsm_body $bsm_members $bsm_cap] {
                        break
                    }
                    if {$bsm_reason ne ""} {
                        call bsm_refuse $bsm_reason $bsm_id keep-alive
                        return
                    }
                }
                foreach {bsm_kind bsm_first bsm_last} [call bsm_json_find $bsm_members stream] {
                    break
                }
                if {[llength $bsm_meters] && [string range $bsm_body $bsm_first $bsm_last] eq "true"} {
                    foreach {bsm_body bsm_members bsm_hidden} [call bsm_ask_usage $bsm_body $bsm_members] {
                        break
                    }
                }
            }
            if {[lsearch -exact $bsm_stages guard] >= 0} {
                set bsm_stage guard
                foreach {bsm_guards bsm_observes} [call bsm_guards_of $bsm_route request] {
                    break
                }
                if {[string length $bsm_body] > 262144 && !$bsm_observes} {
                    call bsm_refuse too-complex $bsm_id keep-alive
                    return
                }
                set bsm_view [call bsm_view [string range $bsm_body 0 [expr {262144 - 1}]]]
                foreach {bsm_reason bsm_outcome bsm_hide} [call bsm_inspect $bsm_guards request $bsm_view] {
                    break
                }
                set bsm_findings [concat $bsm_findings $bsm_outcome]
                if {$bsm_reason ne ""} {
                    call bsm_refuse $bsm_reason $bsm_id keep-alive
                    return
                }
                if {[llength $bsm_hide]} {
                    set bsm_body [call bsm_redact_json $bsm_body $bsm_hide]
                    foreach {bsm_reason bsm_members} [call bsm_json_read $bsm_body 32 1000] {
                        break
                    }
                    # What stands in more than one string cannot be taken out of one.
                    if {$bsm_reason ne "" || [call bsm_has_any $bsm_hide [call bsm_view $bsm_body]]} {
                        call bsm_refuse guard-unredactable $bsm_id keep-alive
                        return
                    }
                }
            }
            if {[lsearch -exact $bsm_stages translate] >= 0} {
                set bsm_stage translate
                set bsm_record [split [class match -value -- $bsm_route equals /enterprise/gateway/chat] |]
                set bsm_translated [call bsm_translate $bsm_record $bsm_body $bsm_members]
                if {![lindex $bsm_translated 0]} {
                    call bsm_refuse model-not-served $bsm_id keep-alive
                    return
                }
                set bsm_body [lindex $bsm_translated 1]
                set bsm_members [lindex $bsm_translated 2]
                if {[lindex $bsm_translated 3]} {
                    set bsm_target [lreplace $bsm_target 7 7 [lindex $bsm_target 7]-response-stream]
                }
            }
            set bsm_stage sign
            # SHA-256 of nothing.
            set bsm_hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            if {[llength $bsm_slots]} {
                foreach {bsm_reason bsm_held} [call bsm_acquire $bsm_slots] {
                    break
                }
                if {$bsm_reason ne ""} {
                    call bsm_refuse $bsm_reason $bsm_id keep-alive "" 1 [list]
                    return
                }
            }
            # What the answer costs is owed from here on, also by a caller who does not wait for it.
            set bsm_owed $bsm_meters
            set bsm_total ""
            set bsm_events 0
            set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive]
            if {$bsm_region ne ""} {
                set bsm_forwarded 1
                set bsm_at_signed [clock clicks -milliseconds]
                set bsm_got 0
            if {[lsearch -exact $bsm_stages retry] >= 0} {
                set bsm_nonce [format %08x%08x [expr {int(rand() * 4294967295.0)}] [expr {int(rand() * 4294967295.0)}]]
                set bsm_whole [call bsm_whole [lindex $bsm_target 4] $bsm_nonce ""]
            }
            }
            if {$bsm_region eq ""} {
                call bsm_release $bsm_held
                set bsm_held [list]
                set bsm_owed [list]
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
        log local0.err "bigip-sm enterprise/public: request $bsm_id failed in stage $bsm_stage"
        if {![HTTP::has_responded]} {
            call bsm_refuse internal-error $bsm_id $bsm_connection
        }
    }
    if {$bsm_told eq "" && [HTTP::has_responded]} {
        # The gateway itself had the answer.
        set bsm_answered 200
        call bsm_audit
    } elseif {$bsm_told ne ""} {
        call bsm_audit
    }
}

when HTTP_REQUEST_DATA priority 500 {
    if {[catch {
        set bsm_stage sign
        set bsm_at_body [clock clicks -milliseconds]
        set bsm_got [HTTP::payload length]
        if {[HTTP::payload length] > $bsm_limit} {
            call bsm_refuse body-too-large $bsm_id $bsm_connection
            return
        }
        set bsm_body [HTTP::payload]
        set bsm_collected $bsm_body
            if {[lsearch -exact $bsm_stages measure] >= 0} {
                set bsm_stage measure
                set bsm_prompt [expr {([string length $bsm_body] + 3) / 4}]
                if {$bsm_context > 0 && $bsm_prompt > $bsm_context} {
                    call bsm_refuse context-too-long $bsm_id keep-alive
                    return
                }
            }
            if {[lsearch -exact $bsm_stages json] >= 0} {
                set bsm_stage json
                set bsm_members [list]
                set bsm_bounds {32 1000}
                set bsm_read [expr {$bsm_body ne "" || [lsearch -exact {GET HEAD DELETE} $bsm_method] < 0}]
                if {[lsearch -exact $bsm_stages content] >= 0} {
                    set bsm_bounds [list $bsm_levels $bsm_most]
                    set bsm_read [expr {$bsm_read && $bsm_is_json}]
                }
                if {$bsm_read} {
                    foreach {bsm_levels bsm_most} $bsm_bounds {
                        break
                    }
                    foreach {bsm_reason bsm_members} [call bsm_json_read $bsm_body $bsm_levels $bsm_most] {
                        break
                    }
                    if {$bsm_reason ne ""} {
                        call bsm_refuse $bsm_reason $bsm_id keep-alive
                        return
                    }
                }
            }
            if {[lsearch -exact $bsm_stages validate] >= 0} {
                set bsm_stage validate
                if {$bsm_models ne ""} {
                    foreach {bsm_kind bsm_first bsm_last} [call bsm_json_find $bsm_members model] {
                        break
                    }
                    if {$bsm_kind ne "string"} {
                        call bsm_refuse model-missing $bsm_id keep-alive
                        return
                    }
                    incr bsm_first
                    incr bsm_last -1
                    set bsm_model [call bsm_json_text [string range $bsm_body $bsm_first $bsm_last]]
                    if {[lsearch -exact $bsm_models $bsm_model] < 0} {
                        call bsm_refuse model-not-allowed $bsm_id keep-alive
                        return
                    }
                }
                if {$bsm_fields ne ""} {
                    foreach {bsm_name bsm_kind bsm_first bsm_last} $bsm_members {
                        if {[lsearch -exact $bsm_fields $bsm_name] < 0} {
                            call bsm_refuse field-not-allowed $bsm_id keep-alive
                            return
                        }
                    }
                }
                if {$bsm_longest > 0 && $bsm_is_json && [call bsm_json_longest $bsm_body] > $bsm_longest} {
                    call bsm_refuse json-too-complex $bsm_id keep-alive
                    return
                }
                if {$bsm_form ne "" && ![call bsm_json_has_form $bsm_body $bsm_members $bsm_form]} {
                    call bsm_refuse shape-invalid $bsm_id keep-alive
                    return
                }
            }
            if {[lsearch -exact $bsm_stages operation] >= 0} {
                set bsm_stage operation
                foreach {bsm_kind bsm_first bsm_last} [call bsm_json_find $bsm_members stream] {
                    break
                }
                set bsm_operation infer
                # Models take more than true for true.
                if {[lsearch -exact {{} false null} [string range $bsm_body $bsm_first $bsm_last]] < 0} {
                    set bsm_operation infer:stream
                }
                set bsm_key $bsm_route/$bsm_operation
                if {![lindex [call bsm_access $bsm_key $bsm_identity $bsm_subject $bsm_class $bsm_groups $bsm_scopes] 0]} {
                    call bsm_refuse operation-not-granted $bsm_id keep-alive
                    return
                }
            }
            if {[lsearch -exact $bsm_stages ask] >= 0} {
                set bsm_stage ask
                if {$bsm_cap > 0} {
                    foreach {bsm_reason bsm_body bsm_members} [call bsm_cap_tokens $bsm_body $bsm_members $bsm_cap] {
                        break
                    }
                    if {$bsm_reason ne ""} {
                        call bsm_refuse $bsm_reason $bsm_id keep-alive
                        return
                    }
                }
                foreach {bsm_kind bsm_first bsm_last} [call bsm_json_find $bsm_members stream] {
                    break
                }
                if {[llength $bsm_meters] && [string range $bsm_body $bsm_first $bsm_last] eq "true"} {
                    foreach {bsm_body bsm_members bsm_hidden} [call bsm_ask_usage $bsm_body $bsm_members] {
                        break
                    }
                }
            }
            if {[lsearch -exact $bsm_stages guard] >= 0} {
                set bsm_stage guard
                foreach {bsm_guards bsm_observes} [call bsm_guards_of $bsm_route request] {
                    break
                }
                if {[string length $bsm_body] > 262144 && !$bsm_observes} {
                    call bsm_refuse too-complex $bsm_id keep-alive
                    return
                }
                set bsm_view [call bsm_view [string range $bsm_body 0 [expr {262144 - 1}]]]
                foreach {bsm_reason bsm_outcome bsm_hide} [call bsm_inspect $bsm_guards request $bsm_view] {
                    break
                }
                set bsm_findings [concat $bsm_findings $bsm_outcome]
                if {$bsm_reason ne ""} {
                    call bsm_refuse $bsm_reason $bsm_id keep-alive
                    return
                }
                if {[llength $bsm_hide]} {
                    set bsm_body [call bsm_redact_json $bsm_body $bsm_hide]
                    foreach {bsm_reason bsm_members} [call bsm_json_read $bsm_body 32 1000] {
                        break
                    }
                    # What stands in more than one string cannot be taken out of one.
                    if {$bsm_reason ne "" || [call bsm_has_any $bsm_hide [call bsm_view $bsm_body]]} {
                        call bsm_refuse guard-unredactable $bsm_id keep-alive
                        return
                    }
                }
            }
            if {[lsearch -exact $bsm_stages translate] >= 0} {
                set bsm_stage translate
                set bsm_record [split [class match -value -- $bsm_route equals /enterprise/gateway/chat] |]
                set bsm_translated [call bsm_translate $bsm_record $bsm_body $bsm_members]
                if {![lindex $bsm_translated 0]} {
                    call bsm_refuse model-not-served $bsm_id keep-alive
                    return
                }
                set bsm_body [lindex $bsm_translated 1]
                set bsm_members [lindex $bsm_translated 2]
                if {[lindex $bsm_translated 3]} {
                    set bsm_target [lreplace $bsm_target 7 7 [lindex $bsm_target 7]-response-stream]
                }
            }
        if {$bsm_body ne $bsm_collected} {
            HTTP::payload replace 0 [HTTP::payload length] $bsm_body
        }
        set bsm_stage sign
        set bsm_hash ""
        if {$bsm_scheme eq "sigv4"} {
            binary scan [CRYPTO::hash -alg sha256 $bsm_body] H* bsm_hash
        }
            if {[llength $bsm_slots]} {
                foreach {bsm_reason bsm_held} [call bsm_acquire $bsm_slots] {
                    break
                }
                if {$bsm_reason ne ""} {
                    call bsm_refuse $bsm_reason $bsm_id keep-alive "" 1 [list]
                    return
                }
            }
            # What the answer costs is owed from here on, also by a caller who does not wait for it.
            set bsm_owed $bsm_meters
            set bsm_total ""
            set bsm_events 0
        set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive]
        if {$bsm_region ne ""} {
            set bsm_forwarded 1
            set bsm_at_signed [clock clicks -milliseconds]
            if {[lsearch -exact $bsm_stages retry] >= 0} {
                set bsm_nonce [format %08x%08x [expr {int(rand() * 4294967295.0)}] [expr {int(rand() * 4294967295.0)}]]
                set bsm_whole [call bsm_whole [lindex $bsm_target 4] $bsm_nonce [HTTP::payload]]
            }
        }
            if {$bsm_region eq ""} {
                call bsm_release $bsm_held
                set bsm_held [list]
                set bsm_owed [list]
            }
    } bsm_error] == 1} {
        log local0.err "bigip-sm enterprise/public: request $bsm_id failed in stage $bsm_stage"
        if {![HTTP::has_responded]} {
            call bsm_refuse internal-error $bsm_id $bsm_connection
        }
    }
    if {$bsm_told ne ""} {
        call bsm_audit
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
            log local0.err "bigip-sm enterprise/public: a failure for request $bsm_id could not be counted"
        }
    }
                LB::reselect pool [lindex $bsm_other 1]
                set bsm_region [lindex $bsm_other 0]
                set bsm_replaced [lindex $bsm_other 2]
            }
        } bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: request $bsm_id could not go to another region"
        }
        if {[llength $bsm_replaced]} {
            return
        }
    }
    if {[catch {call bsm_release $bsm_held} bsm_error] == 1} {
        log local0.err "bigip-sm enterprise/public: request $bsm_id could not be taken out of its counts"
    }
    set bsm_held [list]
    set bsm_owed [list]
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: a failure for request $bsm_id could not be counted"
        }
    }
    if {[HTTP::has_responded]} {
        call bsm_audit
        return
    }
    call bsm_refuse upstream-unreachable $bsm_id close
    call bsm_audit
}

# Host, date, token and signature of the region that the request goes to instead.
when HTTP_REQUEST_SEND priority 500 {
    set bsm_at_sent [clock clicks -milliseconds]
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
            log local0.err "bigip-sm enterprise/public: a failure for request $bsm_id could not be counted"
        }
    }
    }
}

# The name that is verified and sent in the handshake follows the region that was signed for.
when SERVER_CONNECTED priority 500 {
    set bsm_greeting [clock seconds]
    SSL::profile /enterprise/gateway/tls_[lindex $bsm_region 1]_[string map {- _} [lindex $bsm_region 0]]
}

when HTTP_RESPONSE priority 500 {
    set bsm_at_answer [clock clicks -milliseconds]
    set bsm_answered [HTTP::status]
    if {$bsm_whole ne "" && !$bsm_tried} {
        set bsm_retrying 0
        if {[catch {
            set bsm_type_of_error [HTTP::header value X-Amzn-ErrorType]
            set bsm_retrying [call bsm_may_retry [HTTP::status] $bsm_type_of_error $bsm_target [lindex $bsm_region 0]]
        } bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: request $bsm_id could not go to another region"
        }
        # Every one of these counts, a throttle too; what is counted as an answer below is not counted here.
        if {$bsm_retrying == 1 || ($bsm_retrying == 2 && [lsearch -exact {500 502 503 504} [HTTP::status]] < 0)} {
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: a failure for request $bsm_id could not be counted"
        }
    }
        }
        if {$bsm_retrying == 1} {
            set bsm_tried 1
            set bsm_at_answer ""
            set bsm_answered ""
            set bsm_again $bsm_whole
            set bsm_whole ""
            HTTP::retry $bsm_again
            set bsm_again ""
            return
        }
        set bsm_retrying 0
    }
    set bsm_whole ""
    # An error costs nothing.
    if {[HTTP::status] >= 400} {
        set bsm_owed [list]
    }
    # With the head of an answer the model is done, but for a stream: that is seen to end, or settled with the next
    # request or the end of the connection.
    set bsm_media [string tolower [string trim [lindex [split [HTTP::header value Content-Type] ";"] 0]]]
    if {[lsearch -exact {text/event-stream application/vnd.amazon.eventstream} $bsm_media] < 0} {
        if {[catch {call bsm_release $bsm_held} bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: request $bsm_id could not be taken out of its counts"
        }
        set bsm_held [list]
    }
    # SageMaker's own failures and those of a model that passes them on; 424 may be the caller's.
    if {[lsearch -exact {500 502 503 504} [HTTP::status]] >= 0} {
    if {[lsearch -exact $bsm_stages circuit] >= 0} {
        if {[catch {call bsm_circuit_failed [lindex $bsm_target 4] [lindex $bsm_region 0]} bsm_error] == 1} {
            log local0.err "bigip-sm enterprise/public: a failure for request $bsm_id could not be counted"
        }
    }
    }
    # A server of one's own, and an API behind API Gateway, may say 403 for themselves.
    set bsm_own [string match http_* [lindex $bsm_region 1]]
    if {[string match execute_api_* [lindex $bsm_region 1]] && ![HTTP::header exists X-Amzn-ErrorType]} {
        set bsm_own 1
    }
    if {[HTTP::status] == 403 && !$bsm_own} {
        # AWS refuses the gateway, not the caller, and its text may quote the session token.
        set bsm_type [string range [HTTP::header value X-Amzn-ErrorType] 0 63]
        set bsm_aws_id [string range [HTTP::header value X-Amzn-RequestId] 0 63]
        log local0.err "bigip-sm enterprise/public: AWS refused request $bsm_id: $bsm_type, AWS request $bsm_aws_id"
        call bsm_refuse aws-refused $bsm_id keep-alive
        call bsm_audit
        return
    }
    HTTP::header remove X-Gateway-Reason
    HTTP::header replace X-Request-Id $bsm_id
    foreach {bsm_name bsm_value} [call bsm_rate_headers $bsm_style $bsm_rates] {
        HTTP::header replace $bsm_name $bsm_value
    }
    if {[lsearch -exact $bsm_stages clean] >= 0} {
        set bsm_record [split [class match -value -- $bsm_route equals /enterprise/gateway/shape] |]
        foreach {bsm_version bsm_errors bsm_shown bsm_kept} $bsm_record {
            break
        }
        if {$bsm_version ne "1"} {
            call bsm_refuse internal-error $bsm_id keep-alive
            return
        }
        foreach bsm_name [HTTP::header names] {
            set bsm_lower [string tolower $bsm_name]
            if {[string match x-amz* $bsm_lower] || [lsearch -exact {server via x-powered-by} $bsm_lower] >= 0} {
                if {[lsearch -exact $bsm_kept $bsm_lower] < 0} {
                    while {[HTTP::header exists $bsm_name]} {
                        HTTP::header remove $bsm_name
                    }
                }
            }
        }
        HTTP::header replace Cache-Control no-store
        HTTP::header replace X-Content-Type-Options nosniff
        HTTP::header replace Content-Security-Policy "default-src 'none'; frame-ancestors 'none'"
        foreach bsm_line [lrange $bsm_record 4 end] {
            set bsm_colon [string first : $bsm_line]
            set bsm_name [string range $bsm_line 0 [expr {$bsm_colon - 1}]]
            set bsm_value [string range $bsm_line [expr {$bsm_colon + 1}] end]
            if {$bsm_value eq ""} {
                HTTP::header remove $bsm_name
            } else {
                HTTP::header replace $bsm_name $bsm_value
            }
        }
    }
    if {[catch {
        set bsm_stage answer
        set bsm_mode ""
        set bsm_stop ""
        set bsm_rest ""
        set bsm_back [list]
        set bsm_status [HTTP::status]
        set bsm_media [string tolower [string trim [lindex [split [HTTP::header value Content-Type] ";"] 0]]]
        set bsm_answer_length [HTTP::header value Content-Length]
        set bsm_answer_encoding [string tolower [HTTP::header value Content-Encoding]]
        set bsm_answer_limit 1048576
        # What only counts or records passes on what it cannot read. What decides must see everything: bsm_must_see.
        set bsm_must_see 0
        set bsm_may_see 0
        if {[lsearch -exact $bsm_stages guard_response] >= 0} {
            foreach {bsm_guards bsm_observes} [call bsm_guards_of $bsm_route response] {
                break
            }
            set bsm_may_see 1
            set bsm_must_see [expr {$bsm_must_see || !$bsm_observes}]
        }
        if {[lsearch -exact $bsm_stages usage] >= 0} {
            set bsm_may_see [expr {$bsm_may_see || $bsm_media eq "text/event-stream" || ($bsm_media eq "application/json" && [llength $bsm_owed])}]
        }
        if {[lsearch -exact $bsm_stages shape] >= 0} {
            if {$bsm_status >= 400} {
                set bsm_must_see [expr {$bsm_must_see || $bsm_errors eq "unwrap"}]
            } elseif {$bsm_shown ne ""} {
                set bsm_must_see 1
            }
        }
        if {$bsm_method eq "HEAD" || $bsm_answer_length eq "0" || [lsearch -exact {204 304} $bsm_status] >= 0} {
            set bsm_must_see 0
            set bsm_may_see 0
        }
        set bsm_fits [regexp -- {^[0-9]{0,8}$} $bsm_answer_length]
        if {$bsm_fits && $bsm_answer_length ne ""} {
            scan $bsm_answer_length %d bsm_answer_size
            set bsm_fits [expr {$bsm_answer_size <= $bsm_answer_limit}]
        }
        set bsm_streams [expr {[lsearch -exact {text/event-stream application/vnd.amazon.eventstream} $bsm_media] >= 0}]
        set bsm_framed [expr {$bsm_media eq "application/vnd.amazon.eventstream"}]
        if {!$bsm_must_see && !$bsm_may_see} {
            return
        }
        set bsm_writes $bsm_must_see
        if {[lsearch -exact $bsm_stages usage] >= 0 && $bsm_hidden} {
            set bsm_writes 1
        }
        if {$bsm_answer_encoding ne "" && $bsm_answer_encoding ne "identity"} {
            if {$bsm_must_see} {
                call bsm_refuse answer-invalid $bsm_id keep-alive
            }
        } elseif {$bsm_framed && $bsm_status < 400} {
            # AWS's frames, which nobody takes apart on this route: whoever must see the answer cannot.
            if {$bsm_must_see} {
                call bsm_refuse answer-invalid $bsm_id keep-alive
            }
        } elseif {$bsm_streams && $bsm_status < 400} {
            set bsm_mode stream
            if {$bsm_writes} {
                HTTP::header remove Content-Length
            }
            HTTP::collect 1
        } elseif {!$bsm_fits} {
            if {$bsm_must_see} {
                call bsm_refuse answer-too-large $bsm_id keep-alive
            }
        } elseif {$bsm_answer_length eq ""} {
            set bsm_mode whole
            set bsm_writes $bsm_must_see
            HTTP::collect [expr {$bsm_answer_limit + 1}]
        } else {
            set bsm_mode whole
            set bsm_writes $bsm_must_see
            HTTP::collect $bsm_answer_size
        }
    } bsm_error] == 1} {
        log local0.err "bigip-sm enterprise/public: request $bsm_id failed in stage $bsm_stage"
        if {![HTTP::has_responded]} {
            call bsm_refuse internal-error $bsm_id keep-alive
        }
    }
    if {$bsm_told ne "" || $bsm_mode eq ""} {
        if {[info exists bsm_owed]} {
            if {[catch {
                if {[llength $bsm_owed]} {
                    if {$bsm_total eq ""} {
                        # Nothing was told, or the caller has left: about a token for each event.
                        set bsm_total [expr {$bsm_prompt + $bsm_events}]
                        set bsm_estimated true
                    }
                    set bsm_meters $bsm_owed
                    set bsm_owed [list]
                    call bsm_spend $bsm_meters $bsm_total
                }
            } bsm_error] == 1} {
                log local0.err "bigip-sm enterprise/public: what request $bsm_id has cost could not be counted"
            }
        }
        call bsm_audit
    }
}

when CLIENT_CLOSED priority 500 {
    if {[catch {
        if {[info exists bsm_held]} {
            call bsm_release $bsm_held
            set bsm_held [list]
        }
        if {[info exists bsm_owed]} {
        if {[llength $bsm_owed]} {
            if {$bsm_total eq ""} {
                # Nothing was told, or the caller has left: about a token for each event.
                set bsm_total [expr {$bsm_prompt + $bsm_events}]
                set bsm_estimated true
            }
            set bsm_meters $bsm_owed
            set bsm_owed [list]
            call bsm_spend $bsm_meters $bsm_total
        }
        }
    } bsm_error] == 1} {
        log local0.err "bigip-sm enterprise/public: a closed connection could not be settled"
    }
    # The last request of a connection that ended before its answer was known to be whole.
    if {[info exists bsm_recorded]} {
        call bsm_audit
    }
}

# What the stages that read an answer's body share. A stage is a file that changes these in place; the order is reframe,
# usage, guard_response, shape: an answer that is blocked has cost its tokens too.
#   bsm_mode    whole: one event with the whole body. stream: events as the body arrives; there may be no last one, so
#               nothing waits for the end of the body, which server-sent events (HTML standard, section 9.2) announce
#               by "data: [DONE]"
#   bsm_chunk   whole: the body. stream: before reframe what has arrived, after it whole server-sent events, each with
#               its empty line; what comes of an event that is not whole yet is held back
#   bsm_writes  whether what the stages make of bsm_chunk goes on. If not, they only count or record, and what arrived
#               goes on as it is, at once. A stage that may change or end an answer sees to it in answer
#   bsm_stop    code of the reason for which the answer ends here, or empty: an answer that has begun ends with an
#               event that says so, any other is replaced by the refusal
#   bsm_status, bsm_media  status of the answer; its media type in lower case without parameters
when HTTP_RESPONSE_DATA priority 500 {
    if {[catch {
        set bsm_stage answer
        set bsm_chunk [HTTP::payload]
        if {$bsm_gave eq ""} {
            set bsm_gave 0
        }
        incr bsm_gave [string length $bsm_chunk]
        set bsm_at_last [clock clicks -milliseconds]
        if {$bsm_stop ne ""} {
            set bsm_chunk ""
        } elseif {$bsm_mode eq "whole" && [string length $bsm_chunk] > $bsm_answer_limit} {
            set bsm_stop answer-too-large
        } else {
            if {$bsm_mode eq "stream"} {
                foreach {bsm_chunk bsm_rest} [call bsm_whole_events $bsm_rest$bsm_chunk] {
                    break
                }
                if {[string length $bsm_rest] > $bsm_answer_limit} {
                    set bsm_stop answer-too-large
                }
            }
            if {$bsm_stop eq "" && [lsearch -exact $bsm_stages usage] >= 0} {
                set bsm_stage usage
                if {$bsm_mode eq "whole" && [llength $bsm_owed]} {
                    set bsm_total [call bsm_usage $bsm_chunk]
                    if {$bsm_total eq ""} {
                        set bsm_total [expr {$bsm_prompt + ([string length $bsm_chunk] + 3) / 4}]
                        set bsm_estimated true
                    }
        if {[llength $bsm_owed]} {
            if {$bsm_total eq ""} {
                # Nothing was told, or the caller has left: about a token for each event.
                set bsm_total [expr {$bsm_prompt + $bsm_events}]
                set bsm_estimated true
            }
            set bsm_meters $bsm_owed
            set bsm_owed [list]
            call bsm_spend $bsm_meters $bsm_total
        }
                }
                if {$bsm_mode eq "stream"} {
                    foreach bsm_data [call bsm_event_data $bsm_chunk] {
                        if {$bsm_data eq "\[DONE]"} {
        if {[llength $bsm_owed]} {
            if {$bsm_total eq ""} {
                # Nothing was told, or the caller has left: about a token for each event.
                set bsm_total [expr {$bsm_prompt + $bsm_events}]
                set bsm_estimated true
            }
            set bsm_meters $bsm_owed
            set bsm_owed [list]
            call bsm_spend $bsm_meters $bsm_total
        }
                            call bsm_release $bsm_held
                            set bsm_held [list]
                        }
                        incr bsm_events
                        if {[llength $bsm_owed] && [string first "\"usage\"" $bsm_data] >= 0} {
                            set bsm_found [call bsm_usage $bsm_data]
                            if {$bsm_found ne ""} {
                                set bsm_total $bsm_found
                            }
                        }
                    }
                    if {$bsm_hidden && [string first "\"usage\"" $bsm_chunk] >= 0} {
                        set bsm_chunk [call bsm_without_usage $bsm_chunk]
                    }
                }
            }
            if {$bsm_stop eq "" && [lsearch -exact $bsm_stages guard_response] >= 0} {
                set bsm_stage guard_response
                if {$bsm_mode eq "stream"} {
                    set bsm_seen [call bsm_inspect_stream $bsm_guards $bsm_chunk $bsm_back]
                    foreach {bsm_reason bsm_outcome bsm_out bsm_back} $bsm_seen {
                        break
                    }
                    if {!$bsm_observes} {
                        set bsm_chunk $bsm_out
                    }
                    # A text is looked at more than once while it is held, so what was found is noted once.
                    foreach bsm_one $bsm_outcome {
                        if {[lsearch -glob $bsm_findings [lindex [split $bsm_one =] 0]=*] < 0} {
                            lappend bsm_findings $bsm_one
                        }
                    }
                    if {$bsm_reason ne ""} {
                        set bsm_stop answer-blocked
                    }
                } elseif {[string length $bsm_chunk] > 262144 && !$bsm_observes} {
                    set bsm_stop answer-too-large
                } else {
                    set bsm_view [string range $bsm_chunk 0 [expr {262144 - 1}]]
                    set bsm_read [lindex [call bsm_json_read $bsm_view 64 1000] 0]
                    if {$bsm_read eq ""} {
                        set bsm_view [call bsm_view $bsm_view]
                    } elseif {$bsm_media eq "application/json"} {
                        # What claims to be JSON and cannot be read cannot be inspected.
                        set bsm_stop answer-invalid
                    }
                    foreach {bsm_reason bsm_outcome bsm_hide} [call bsm_inspect $bsm_guards response $bsm_view] {
                        break
                    }
                    set bsm_findings [concat $bsm_findings $bsm_outcome]
                    if {$bsm_reason ne ""} {
                        set bsm_stop answer-blocked
                    }
                    if {$bsm_stop eq "" && [llength $bsm_hide]} {
                        if {$bsm_read eq ""} {
                            set bsm_chunk [call bsm_redact_json $bsm_chunk $bsm_hide]
                            set bsm_view [call bsm_view $bsm_chunk]
                        } else {
                            set bsm_chunk [call bsm_redact $bsm_chunk $bsm_hide]
                            set bsm_view $bsm_chunk
                        }
                        if {[call bsm_has_any $bsm_hide $bsm_view]} {
                            set bsm_stop answer-blocked
                        }
                    }
                }
                if {$bsm_observes} {
                    set bsm_stop ""
                }
            }
            if {$bsm_stop eq "" && [lsearch -exact $bsm_stages shape] >= 0} {
                set bsm_stage shape
                if {$bsm_status >= 400} {
                    if {$bsm_errors eq "unwrap"} {
                        foreach {bsm_status bsm_chunk} [call bsm_model_error $bsm_chunk $bsm_status $bsm_id] {
                            break
                        }
                        set bsm_answered $bsm_status
                        HTTP::respond $bsm_status content $bsm_chunk noserver Content-Type application/json X-Request-Id $bsm_id Cache-Control no-store X-Content-Type-Options nosniff Connection keep-alive Strict-Transport-Security "max-age=31536000"
                        return
                    }
                } elseif {$bsm_shown ne "" && $bsm_mode eq "whole"} {
                    set bsm_chunk [call bsm_json_only $bsm_chunk $bsm_shown]
                    if {$bsm_chunk eq ""} {
                        set bsm_stop answer-invalid
                    }
                } elseif {$bsm_shown ne ""} {
                    set bsm_parts $bsm_chunk
                    set bsm_chunk ""
                    foreach bsm_data [call bsm_event_data $bsm_parts] {
                        if {$bsm_data ne "\[DONE]"} {
                            set bsm_data [call bsm_json_only $bsm_data $bsm_shown]
                        }
                        if {$bsm_data eq ""} {
                            set bsm_stop answer-invalid
                            break
                        }
                        append bsm_chunk "data: $bsm_data\n\n"
                    }
                }
            }
            if {$bsm_stop ne "" && $bsm_mode eq "stream"} {
                set bsm_rest ""
                append bsm_chunk [call bsm_stop_event $bsm_stop $bsm_id]
                # Its head has gone on, so that status is the answer's.
                set bsm_told $bsm_stop
                set bsm_told_status $bsm_answered
            }
        }
        if {!$bsm_writes} {
            HTTP::release
            if {$bsm_mode eq "stream" && $bsm_stop eq ""} {
                HTTP::collect 1
            } elseif {$bsm_stop ne ""} {
                # The rest goes on unseen.
                set bsm_gave ""
                set bsm_at_last ""
            }
            return
        }
        if {$bsm_stop ne "" && $bsm_mode eq "whole"} {
            call bsm_refuse $bsm_stop $bsm_id keep-alive
            return
        }
        if {$bsm_mode eq "stream" && $bsm_chunk eq ""} {
            # A comment, because what TMM makes of an empty release is not documented.
            set bsm_chunk ":\n"
        }
        if {$bsm_chunk ne [HTTP::payload]} {
            HTTP::payload replace 0 [HTTP::payload length] $bsm_chunk
        }
        HTTP::release
        if {$bsm_mode eq "stream"} {
            HTTP::collect 1
        }
    } bsm_error] == 1} {
        log local0.err "bigip-sm enterprise/public: request $bsm_id failed in stage $bsm_stage"
        if {!$bsm_writes} {
            HTTP::release
        } elseif {$bsm_mode eq "stream"} {
            set bsm_stop internal-error
            set bsm_told $bsm_stop
            set bsm_told_status $bsm_answered
            HTTP::payload replace 0 [HTTP::payload length] [call bsm_stop_event internal-error $bsm_id]
            HTTP::release
            HTTP::collect 1
        } elseif {![HTTP::has_responded]} {
            call bsm_refuse internal-error $bsm_id keep-alive
        }
    }
    if {$bsm_mode eq "whole" || $bsm_stop ne "" || [string first "data: \[DONE\]" $bsm_chunk] >= 0} {
        if {[info exists bsm_owed]} {
            if {[catch {
                if {[llength $bsm_owed]} {
                    if {$bsm_total eq ""} {
                        # Nothing was told, or the caller has left: about a token for each event.
                        set bsm_total [expr {$bsm_prompt + $bsm_events}]
                        set bsm_estimated true
                    }
                    set bsm_meters $bsm_owed
                    set bsm_owed [list]
                    call bsm_spend $bsm_meters $bsm_total
                }
            } bsm_error] == 1} {
                log local0.err "bigip-sm enterprise/public: what request $bsm_id has cost could not be counted"
            }
        }
        call bsm_audit
    }
}
