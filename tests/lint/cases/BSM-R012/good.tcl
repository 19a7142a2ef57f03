# Purpose: an example for the tests of the linter
proc ex_open { data } {
    return [CRYPTO::decrypt -alg aes-256-cbc -keyhex $static::ex_key $data]
}
when HTTP_REQUEST priority 500 {
    set name [getfield [HTTP::host] "." 1]
    if { [catch {
        pool "pool_$name"
        set plain [call ex_open [b64decode [HTTP::header X-Data]]]
    } problem] } {
        HTTP::respond 503 content $problem
        return
    }
    set target web_pool
    if { [active_members other_pool] > 0 } {
        set target other_pool
    }
    pool $target
    catch { unset plain }
    set failed [catch { persist uie $name }]
    if { $failed } {
        persist none
    }
    table set -- "client_$name" 1 60
    set log [HSL::open -proto UDP -pool log_pool]
    HSL::send $log "seen\n"
}
