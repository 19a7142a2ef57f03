"""Tcl text that every interpreter of the lab evaluates once, before it runs rewritten rules: ``OPERATORS``.

It defines the functions that rewritten expressions call, and under ``::tcl84`` the few commands of Tcl 8.4 that 8.6
does differently. Nothing here reads the clock, the environment or the file system.
"""

from __future__ import annotations

# Integers of TMM have 64 bits and wrap (Tcl 8.4 on LP64); those of Tcl 8.6 grow. Only results of + - * << can leave
# the range.
_ARITHMETIC = r"""
set ::tcl_precision 12
namespace eval ::tcl84 {}
proc ::tcl::mathfunc::wrap64 {value} {
    if {$value <= 9223372036854775807 && $value >= -9223372036854775808} {
        return $value
    }
    if {[string is double -strict $value] && ![string is entier -strict $value]} {
        if {$value == Inf || $value == -Inf} {
            error "floating-point value too large to represent"
        }
        return $value
    }
    set value [expr {$value & 0xffffffffffffffff}]
    expr {$value > 9223372036854775807 ? $value - 18446744073709551616 : $value}
}
proc ::tcl::mathfunc::shift_left {value count} {
    if {$count < 0 || $count > 63} {
        error "not emulated by the lab: a shift by $count"
    }
    expr {wrap64($value << $count)}
}
proc ::tcl::mathfunc::shift_right {value count} {
    if {$count < 0 || $count > 63} {
        error "not emulated by the lab: a shift by $count"
    }
    expr {$value >> $count}
}
proc ::tcl::mathfunc::divide {value divisor} {
    if {$divisor == 0} {
        error "divide by zero"
    }
    expr {wrap64($value / $divisor)}
}
proc ::tcl84::overflow {name} {
    upvar 1 $name value
    set value [expr {wrap64($value)}]
}
"""

# wrap64 lets Inf and NaN pass as 8.4 does not make them; the bounds are those of a 64-bit integer.
_FUNCTIONS = r"""
rename ::tcl::mathfunc::int ::tcl84::int
rename ::tcl::mathfunc::round ::tcl84::round
rename ::tcl::mathfunc::abs ::tcl84::abs
proc ::tcl84::bounded {value} {
    if {$value >= 9223372036854775808 || $value < -9223372036854775808} {
        error "integer value too large to represent"
    }
    return $value
}
proc ::tcl::mathfunc::int {value} {
    if {$value >= 9223372036854775808.0 || $value < -9223372036854775808.0} {
        error "integer value too large to represent"
    }
    ::tcl84::int $value
}
proc ::tcl::mathfunc::round {value} {
    ::tcl84::bounded [::tcl84::round $value]
}
proc ::tcl::mathfunc::abs {value} {
    set value [::tcl84::abs $value]
    if {[string is entier -strict $value]} {
        ::tcl84::bounded $value
    }
    return $value
}
"""

_STRING_OPERATORS = r"""
proc ::tcl::mathfunc::contains {text part} {
    expr {[string first $part $text] >= 0 || $part eq ""}
}
proc ::tcl::mathfunc::starts_with {text part} {
    string equal -length [string length $part] $part $text
}
proc ::tcl::mathfunc::ends_with {text part} {
    set length [string length $part]
    expr {$length == 0 || [string range $text end-[expr {$length - 1}] end] eq $part}
}
proc ::tcl::mathfunc::matches_glob {text pattern} {
    string match $pattern $text
}
proc ::tcl::mathfunc::matches_regex {text pattern} {
    regexp -- $pattern $text
}
"""

_COMMANDS = r"""
proc ::tcl84::lreplace {list first last args} {
    set count [llength $list]
    set from [lindex [::tcl84::positions $count $first] 0]
    if {$count > 0 && $from >= $count} {
        error "list doesn't contain element $first"
    }
    ::lreplace $list $first $last {*}$args
}
proc ::tcl84::positions {count index} {
    if {[regexp {^end(-[0-9]+)?$} $index -> offset]} {
        return [expr {$count - 1 + ($offset eq "" ? 0 : $offset)}]
    }
    if {![string is integer -strict $index]} {
        error "bad index \"$index\": must be integer or end?-integer?"
    }
    return [expr {$index}]
}
proc ::tcl84::lset {name args} {
    upvar 1 $name list
    set value [lindex $args end]
    set indexes [lrange $args 0 end-1]
    if {[llength $indexes] == 1} {
        set indexes [lindex $indexes 0]
    }
    set inner $list
    foreach index $indexes {
        set position [::tcl84::positions [llength $inner] $index]
        if {$position < 0 || $position >= [llength $inner]} {
            error "list index out of range"
        }
        set inner [lindex $inner $position]
    }
    ::lset list $indexes $value
}
proc ::tcl84::toupper {args} {
    string map {\u0178 \xff \u039c \xb5} [string toupper {*}$args]
}
proc ::tcl84::totitle {args} {
    string map {\u0178 \xff \u039c \xb5} [string totitle {*}$args]
}
proc ::tcl84::is {class args} {
    set text [string trim [lindex $args end]]
    if {[regexp -nocase {^[-+]?0[bod]} $text]} {
        return 0
    }
    string is $class {*}$args
}
proc ::tcl84::subject {text} {
    if {[string index $text 0] eq "-"} {
        error "bad option \"$text\": must be -exact, -glob, -regexp, or --"
    }
    return $text
}
proc ::tcl84::format {template args} {
    if {[regexp {%[-+ 0#]*[0-9*]*(?:\.[0-9*]+)?(?:ll|h?b|[0-9]+\$)} [string map {%% ""} $template]]} {
        error "not emulated by the lab: format \"$template\""
    }
    set at 0
    foreach conversion [regexp -all -inline {%[^%a-zA-Z]*[hl]?[a-zA-Z]} [string map {%% ""} $template]] {
        incr at [expr {[llength [split $conversion *]] - 1}]
        if {[string match *c $conversion] && $at < [llength $args]} {
            ::lset args $at [expr {[lindex $args $at] & 255}]
        }
        incr at
    }
    ::format $template {*}$args
}
"""

# Days from a civil date and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". The lab's BIG-IP
# runs in UTC.
_CLOCK = r"""
namespace eval ::tcl84 {variable clock {} asked {}}
proc ::tcl84::clock_format {seconds template zone} {
    if {$::tcl84::asked ne "$seconds $zone $template"} {
        set ::tcl84::clock [::tcl84::clock_text $seconds $template $zone]
        set ::tcl84::asked "$seconds $zone $template"
    }
    return $::tcl84::clock
}
proc ::tcl84::clock_text {seconds template zone} {
    if {![string is wideinteger -strict $seconds]} {
        error "expected integer but got \"$seconds\""
    }
    set days [expr {$seconds / 86400}]
    set rest [expr {$seconds % 86400}]
    set z [expr {$days + 719468}]
    set era [expr {$z / 146097}]
    set doe [expr {$z % 146097}]
    set yoe [expr {($doe - $doe / 1460 + $doe / 36524 - $doe / 146096) / 365}]
    set doy [expr {$doe - (365 * $yoe + $yoe / 4 - $yoe / 100)}]
    set mp [expr {(5 * $doy + 2) / 153}]
    set d [expr {$doy - (153 * $mp + 2) / 5 + 1}]
    set m [expr {$mp < 10 ? $mp + 3 : $mp - 9}]
    set Y [expr {$yoe + $era * 400 + ($m <= 2)}]
    set H [expr {$rest / 3600}]
    set M [expr {$rest / 60 % 60}]
    set S [expr {$rest % 60}]
    if {$template eq "%Y%m%dT%H%M%SZ"} {
        return [::format %04d%02d%02dT%02d%02d%02dZ $Y $m $d $H $M $S]
    }
    set weekday [lindex {Sunday Monday Tuesday Wednesday Thursday Friday Saturday} [expr {($days + 4) % 7}]]
    set month [lindex {January February March April May June July August September October November December} \
        [expr {$m - 1}]]
    set Y [::format %04d $Y]
    set m [::format %02d $m]
    set d [::format %02d $d]
    set H [::format %02d $H]
    set M [::format %02d $M]
    set S [::format %02d $S]
    string map [list %% % %n \n %t \t %Y $Y %m $m %d $d %H $H %M $M %S $S %s $seconds %Z $zone %z +0000 \
        %a [string range $weekday 0 2] %A $weekday %b [string range $month 0 2] %h [string range $month 0 2] %B $month \
        %y [string range $Y 2 3] %e [::format %2d [scan $d %d]] %T $H:$M:$S %R $H:$M %D $m/$d/[string range $Y 2 3] \
        %j [::format %03d [expr {[::tcl84::days $Y $m $d] - [::tcl84::days $Y 1 1] + 1}]]] $template
}
proc ::tcl84::days {Y m d} {
    scan $Y %d Y
    scan $m %d m
    scan $d %d d
    if {$m <= 2} {
        incr Y -1
    }
    set era [expr {$Y / 400}]
    set yoe [expr {$Y % 400}]
    set doy [expr {(153 * ($m > 2 ? $m - 3 : $m + 9) + 2) / 5 + $d - 1}]
    expr {$era * 146097 + $yoe * 365 + $yoe / 4 - $yoe / 100 + $doy - 719468}
}
proc ::tcl84::clock_scan {text} {
    if {![regexp {^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?$} $text -> Y m d H M S]
        && ![regexp {^(\d{4})-(\d\d)-(\d\d)(?: (\d\d):(\d\d)(?::(\d\d))?)?$} $text -> Y m d H M S]
    } {
        error "unable to convert date-time string \"$text\" (the lab reads YYYYMMDD?THHMMSS? and YYYY-MM-DD ?HH:MM:SS?)"
    }
    foreach field {H M S} {
        if {[scan [set $field] %d $field] != 1} {
            set $field 0
        }
    }
    if {$m < 1 || $m > 12 || $d < 1 || $H > 23 || $M > 59 || $S > 59} {
        error "unable to convert date-time string \"$text\""
    }
    expr {[::tcl84::days $Y $m $d] * 86400 + $H * 3600 + $M * 60 + $S}
}
"""

OPERATORS = _ARITHMETIC + _FUNCTIONS + _STRING_OPERATORS + _COMMANDS + _CLOCK
