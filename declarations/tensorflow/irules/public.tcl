# bigip-sm: gateway tensorflow, listener public
#
# Purpose:     names the caller, decides, signs for AWS with the rotator's credentials, forwards.
# Requires:    TMOS 15.1 or newer; client-ssl, http, OneConnect and server-ssl profiles.
# Data groups: /tensorflow/gateway/routes_public, /tensorflow/gateway/access
#              /tensorflow/gateway/prefixes_public
#              /tensorflow/gateway/networks_batch
#              /tensorflow/gateway/validation
#              and, filled by the rotator:
#              /bigip_sm/tensorflow.predictor
# CMP:         no globals and no static variables; runs on every TMM.
# Generated:   change gateway.yaml and render again instead of editing this text.

# Every refusal is made here: one reason, in the header and in the body. docs/reasons.md explains each.
# @param reason      its code
# @param request_id  id of this request
# @param connection  close where the body of the request may not have been read
# @param allow       methods of the path, for 405 only
proc bsm_refuse {reason request_id connection {allow ""}} {
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
        not-allowed {
            set status 403
            set message "this caller may not use this route"
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

# Chooses the region, takes its credentials, signs and forwards. Refuses if it cannot.
# @param target        fields of the route's record
# @param principal     identity:subject
# @param query         canonical query
# @param content_type  value of the Content-Type header, or empty
# @param payload_hash  SHA-256 of the body, hex; empty on bearer routes
# @return region that the request goes to, or empty if it was refused
proc bsm_forward {target principal query content_type payload_hash bsm_id bsm_connection} {
    foreach {version route scheme service upstream role limit path regions} $target {
        break
    }

    # Choice before signature: region, host and credentials follow the pool.
    set region ""
    set hosts runtime
    foreach choice [split $regions ,] {
        foreach {candidate host kind} [split $choice =] {
            break
        }
        set pool /tensorflow/gateway/pool_${upstream}_[string map {- _} $candidate]
        if {[active_members $pool] > 0} {
            set region $candidate
            # The kind of host; with the region it names the TLS profile.
            if {$kind ne ""} {
                set hosts $kind
            }
            break
        }
    }
    if {$region eq ""} {
        call bsm_refuse no-region-available $bsm_id $bsm_connection
        return ""
    }

    if {$scheme eq "none"} {
        # A server of one's own: nothing of AWS goes there.
        HTTP::uri [expr {$query eq "" ? $path : "$path?$query"}]
        HTTP::header replace Host $host
        foreach {name value} [lindex $target 10] {
            HTTP::header insert $name $value
        }
        pool $pool
        return [list $region $hosts]
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
        predictor {
            set record [class match -value -- $key equals /bigip_sm/tensorflow.predictor]
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

    if {$query eq ""} {
        HTTP::uri $path
    } else {
        HTTP::uri $path?$query
    }
    HTTP::header replace Host $host
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
        set signature [call bsm_signature $request $stamp $scope [lindex $fields 2]]
        set credential "Credential=[lindex $fields 1]/$scope, SignedHeaders=$signed, Signature=$signature"
        # One command for all, since none of them is there: strip has seen to it.
        HTTP::header insert X-Amz-Date $stamp X-Amz-Security-Token $token Authorization "AWS4-HMAC-SHA256 $credential"
        foreach {name value} $extra {
            HTTP::header insert $name $value
        }
    }
    pool $pool
    return [list $region $hosts]
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
        log local0.err "bigip-sm tensorflow/public: a client certificate could not be read"
    }
}

when HTTP_REQUEST priority 500 {
    set bsm_stage read
    set bsm_forwarded 0
    set bsm_connection close
    set bsm_region ""
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
            set bsm_subject [class match -value -- [IP::client_addr] equals /tensorflow/gateway/networks_batch]
            if {$bsm_subject ne ""} {
                set bsm_identity batch
            }
        }
        if {$bsm_identity eq ""} {
            call bsm_refuse unauthenticated $bsm_id $bsm_connection
            return
        }

        set bsm_stage route
        set bsm_target [class match -value -- "$bsm_method $bsm_path" equals /tensorflow/gateway/routes_public]
        if {$bsm_target eq ""} {
            # A path that equals a route's is in normal form already; any other has to prove it.
            if {![call bsm_is_normal $bsm_path]} {
                call bsm_refuse path-not-normalized $bsm_id $bsm_connection
                return
            }
            set bsm_target [class match -value -- "$bsm_method $bsm_path" starts_with /tensorflow/gateway/prefixes_public]
        }
        if {$bsm_target eq ""} {
            set bsm_allow [class match -value -- "* $bsm_path" equals /tensorflow/gateway/routes_public]
            if {$bsm_allow eq ""} {
                set bsm_allow [class match -value -- "* $bsm_path" starts_with /tensorflow/gateway/prefixes_public]
            }
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
        if {![class match -- "$bsm_route|$bsm_identity:$bsm_subject" equals /tensorflow/gateway/access]} {
            if {![class match -- "$bsm_route|$bsm_identity:" equals /tensorflow/gateway/access]} {
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

        set bsm_stage content
        if {[lsearch -exact $bsm_stages content] >= 0} {
            set bsm_record [split [class match -value -- $bsm_route equals /tensorflow/gateway/validation] |]
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
            set bsm_rule [split [class match -value -- $bsm_route equals /tensorflow/gateway/targets] |]
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
            switch -exact -- [lindex $bsm_rule 1] {
                tensorflow {
                    # TensorFlow Serving's REST API, <model>[/versions/<version>]:<method>, as the attributes that its
                    # container reads (aws/sagemaker-tensorflow-serving-container).
                    set bsm_verb ""
                    set bsm_version ""
                    set bsm_name $bsm_rest
                    regexp -- {\A(.*?):([a-z]{1,16})\Z} $bsm_name bsm_all bsm_name bsm_verb
                    regexp -- {\A(.*)/metadata\Z} $bsm_name bsm_all bsm_name
                    regexp -- {\A(.*)/versions/([1-9][0-9]{0,9})\Z} $bsm_name bsm_all bsm_name bsm_version
                    if {![regexp -- {\A[A-Za-z0-9_.-]{1,100}\Z} $bsm_name]} {
                        call bsm_refuse model-not-served $bsm_id $bsm_connection
                        return
                    }
                    set bsm_found 0
                    foreach bsm_allowed [split [lindex [split $bsm_words ";"] 1] ,] {
                        set bsm_allowed [split $bsm_allowed]
                        if {$bsm_name eq [lindex $bsm_allowed 0]} {
                            set bsm_found 1
                            if {$bsm_version ne ""} {
                                set bsm_found [expr {[lsearch -exact [lrange $bsm_allowed 1 end] $bsm_version] >= 0}]
                            }
                        }
                    }
                    if {!$bsm_found} {
                        call bsm_refuse model-not-served $bsm_id $bsm_connection
                        return
                    }
                    if {$bsm_verb eq ""} {
                        call bsm_refuse status-not-available $bsm_id $bsm_connection
                        return
                    }
                    set bsm_verbs [split [lindex [split $bsm_words ";"] 0]]
                    if {[lsearch -exact $bsm_verbs $bsm_verb] < 0 || $bsm_method ne "POST"} {
                        call bsm_refuse operation-not-allowed $bsm_id $bsm_connection
                        return
                    }
                    # The container compares the whole of it, a character set included.
                    set bsm_media [string tolower [string trim [lindex [split $bsm_type ";"] 0]]]
                    set bsm_types {application/json application/jsonlines application/jsons text/csv}
                    set bsm_charset [string tolower [string trim [lindex [split "$bsm_type;" ";"] 1]]]
                    if {$bsm_charset ne "" && $bsm_charset ne "charset=utf-8"} {
                        call bsm_refuse tensorflow-content-type $bsm_id $bsm_connection
                        return
                    }
                    if {[lsearch -exact $bsm_types $bsm_media] < 0} {
                        call bsm_refuse tensorflow-content-type $bsm_id $bsm_connection
                        return
                    }
                    set bsm_type $bsm_media
                    HTTP::header replace Content-Type $bsm_type
                    set bsm_attributes tfs-model-name=$bsm_name
                    if {$bsm_version ne ""} {
                        append bsm_attributes ,tfs-model-version=$bsm_version
                    }
                    append bsm_attributes ,tfs-method=$bsm_verb
                }
                path {
                    # What follows the route's prefix follows the upstream's path.
                    if {[lindex $bsm_rule 2] > 0 && [string match */ $bsm_where]} {
                        append bsm_where $bsm_rest
                    }
                    if {$bsm_scheme eq "none" && $bsm_words ne ""} {
                        lappend bsm_extra $bsm_words $bsm_identity:$bsm_subject
                    }
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

        set bsm_stage collect
        set bsm_caller $bsm_identity:$bsm_subject
        if {$bsm_scheme ne "sigv4" && [lsearch -exact $bsm_stages body] < 0} {
            # The token does not cover the body, so the body streams through in both directions.
            if {$bsm_transfer ne ""} {
                call bsm_refuse length-required $bsm_id $bsm_connection
                return
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
            set bsm_body ""
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
            set bsm_stage sign
            # SHA-256 of nothing.
            set bsm_hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive]
            if {$bsm_region ne ""} {
                set bsm_forwarded 1
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
        log local0.err "bigip-sm tensorflow/public: request $bsm_id failed in stage $bsm_stage"
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
        set bsm_body [HTTP::payload]
        set bsm_collected $bsm_body
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
        if {$bsm_body ne $bsm_collected} {
            HTTP::payload replace 0 [HTTP::payload length] $bsm_body
        }
        set bsm_stage sign
        set bsm_hash ""
        if {$bsm_scheme eq "sigv4"} {
            binary scan [CRYPTO::hash -alg sha256 $bsm_body] H* bsm_hash
        }
        set bsm_region [call bsm_forward $bsm_target $bsm_caller $bsm_query $bsm_type $bsm_hash $bsm_id keep-alive]
        if {$bsm_region ne ""} {
            set bsm_forwarded 1
        }
    } bsm_error] == 1} {
        log local0.err "bigip-sm tensorflow/public: request $bsm_id failed in stage $bsm_stage"
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
    call bsm_refuse upstream-unreachable $bsm_id close
}

# The name that is verified and sent in the handshake follows the region that was signed for.
when SERVER_CONNECTED priority 500 {
    SSL::profile /tensorflow/gateway/tls_[lindex $bsm_region 1]_[string map {- _} [lindex $bsm_region 0]]
}

when HTTP_RESPONSE priority 500 {
    # A server of one's own, and an API behind API Gateway, may say 403 for themselves.
    set bsm_own [string match http_* [lindex $bsm_region 1]]
    if {[string match execute_api_* [lindex $bsm_region 1]] && ![HTTP::header exists X-Amzn-ErrorType]} {
        set bsm_own 1
    }
    if {[HTTP::status] == 403 && !$bsm_own} {
        # AWS refuses the gateway, not the caller, and its text may quote the session token.
        set bsm_type [string range [HTTP::header value X-Amzn-ErrorType] 0 63]
        set bsm_aws_id [string range [HTTP::header value X-Amzn-RequestId] 0 63]
        log local0.err "bigip-sm tensorflow/public: AWS refused request $bsm_id: $bsm_type, AWS request $bsm_aws_id"
        call bsm_refuse aws-refused $bsm_id keep-alive
        return
    }
    HTTP::header remove X-Gateway-Reason
    HTTP::header replace X-Request-Id $bsm_id
}
