# Library: procedures for texts. Call them as /Common/text_library::name.
#
# @param text  anything
# @return the text as a JSON string, without the quotes around it
proc json_escape { text } {
    set escaped [string map [list "\\" "\\\\" "\"" "\\\"" "\n" "\\n" "\r" "\\r" "\t" "\\t"] $text]
    set clean ""
    foreach character [split $escaped ""] {
        scan $character %c code
        if { $code < 32 } {
            append clean [format "\\u%04x" $code]
        } else {
            append clean $character
        }
    }
    return $clean
}

# @return the value of a parameter of a query, decoded
proc query_value { query name {default ""} } {
    foreach pair [split $query "&"] {
        set parts [split $pair "="]
        if { [lindex $parts 0] eq $name } {
            return [URI::decode [join [lrange $parts 1 end] "="]]
        }
    }
    return $default
}

# @return the text padded with zeros on the left
proc padded { text {width 8} } {
    while { [string length $text] < $width } {
        set text "0$text"
    }
    return $text
}

proc count_words { text counts_name } {
    upvar 1 $counts_name counts
    foreach word [split $text " "] {
        if { [info exists counts($word)] } {
            incr counts($word)
        } else {
            set counts($word) 1
        }
    }
}
