# Purpose: an example for the tests of the linter
when HTTP_REQUEST priority 500 {
    set name [getfield [HTTP::host] "." 1]
    pool "pool_$name"
    set group "group_$name"
    if { [class match -- $name equals $group] } {
        pool web_pool
    }
    set plain [b64decode [HTTP::header X-Data]]
    set sealed [CRYPTO::encrypt -alg aes-256-cbc -keyhex $static::ex_key $plain]
    set log [HSL::open -proto UDP -pool "logs_$name"]
    catch { HSL::send $log $sealed }
    if { [catch { persist uie $name } problem] } {
    }
}
