"""The names that an iRule may call on TMM, and where F5's own commands are known to be refused or out of place.

TMM resolves every literal command when it loads a rule. Sources: F5's iRules reference ("Commands"); for what is
refused and for events, what was measured on 21.1 (bitwisecook/tcl-lsp, "BIG-IP iRule parser measurements", sections
5 and 8). Many name spaces of modules that few devices have are open here: a command in them is not doubted.
"""

from __future__ import annotations

from bigip_sm.tcl.forms import names

# 16 of them do not exist in TMM, its rule compiler bars the others.
DISABLED = names(
    """auto_execok auto_import auto_load auto_qualify cd eof exec exit fblocked fconfigure fcopy file flush gets
    glob interp load namespace open package pid pwd rename seek socket source tell time unknown update vwait"""
)
"""Refused when the rule is loaded, in the words ``command is disabled``."""

ABSENT = names("encoding auto_load_index tclLog")
"""Part of a stock Tcl 8.4, and unknown to TMM."""

LATER = names(
    """apply chan coroutine dict lassign lmap lrepeat lreverse oo::class oo::define oo::object tailcall throw try
    yield yieldto zlib"""
)
"""Commands that came with Tcl 8.5 or 8.6."""

LATER_SUBCOMMANDS = {
    "array": names("default for"),
    "binary": names("encode decode"),
    "clock": names("add milliseconds microseconds"),
    "info": names("coroutine frame object class"),
    "string": names("cat reverse insert"),
}
"""Subcommands that came with Tcl 8.5 or later."""

LATER_OPTIONS = {
    "clock": names("-timezone -locale"),
    "lsearch": names("-index -nocase -bisect -subindices -stride"),
    "lsort": names("-indices -stride -nocase"),
    "regsub": names("-command"),
    "return": names("-level -options"),
    "switch": names("-nocase -matchvar -indexvar"),
}
"""Options that came with Tcl 8.5 or later."""

TCL = names(
    """after append array binary break case catch clock close concat continue error eval expr fileevent for foreach
    format global history if incr info join lappend lindex linsert list llength lrange lreplace lsearch lset lsort
    puts read regexp regsub return scan set split string subst switch trace unset uplevel upvar variable while"""
)
"""What TMM has of Tcl 8.4."""

PLAIN = names(
    """accumulate active_members active_nodes b64decode b64encode call class client_addr client_port clientside clone
    cname connect cpu crc32 decode_uri discard domain drop event fasthash findclass findstr forward getfield host htonl
    htons http_cookie http_header http_host http_method http_uri http_version ifile imid ip_addr ip_protocol ip_tos
    ip_ttl lasthop library link_qos listen llookup local_addr local_port log matchclass matchregion md4 md5 members
    nexthop node nodes nodes_up noerror ntohl ntohs peer pem_dtos persist pool priority rateclass rcode recv redirect
    reject relate_client relate_server remote_addr remote_port rmd160 send server_addr server_port serverside session
    sha1 sha256 sha384 sha512 sharedvar snat snatpool substr table tcpdump timing traffic_group translate ttl
    urlcatblindquery urlcatquery use virtual vlan_id whereami whereis whoami wideip"""
)
"""F5's commands without a name space; the older ones among them still load."""

SPACES = {
    "AES": names("decrypt encrypt key"),
    "CRYPTO": names("decrypt encrypt hash keygen sign verify"),
    "HSL": names("open send"),
    "HTTP": names(
        """class close collect cookie disable enable fallback has_responded header host hsts is_keepalive is_redirect
        method passthrough_reason password path payload proxy query redirect reject_reason release request request_num
        respond response retry status uri username version"""
    ),
    "IP": names(
        """addr client_addr df hops idle_timeout ingress_drop_rate ingress_rate_limit intelligence local_addr protocol
        remote_addr reputation server_addr stats tos ttl version"""
    ),
    "ISTATS": names("get incr remove set"),
    "LB": names(
        """bias class command connect connlimit context_id detach down dst_tag enable_decisionlog mode persist prime
        queue reselect select server snat src_tag status up"""
    ),
    "STATS": names("get incr set setmax setmin"),
    "STREAM": names("disable enable encoding expression match max_matchsize replace"),
    "TMM": names("cmp_count cmp_group cmp_groups cmp_primary_group cmp_unit"),
    "URI": names("basename compare decode encode host path port protocol query"),
    "X509": names(
        """cert_fields extensions hash issuer not_valid_after not_valid_before pem2der serial_number
        signature_algorithm subject subject_public_key subject_public_key_RSA_bits subject_public_key_type
        verify_cert_error_string version whole"""
    ),
}
"""Name spaces whose commands are known to the last one."""

OPEN_SPACES = names(
    """AAA ACCESS ACCESS2 ACL ADAPT ADFS_PROXY AM ANTIFRAUD ASM ASN1 AUTH AVR BIGPROTO BIGTCP BOTDEFENSE BWC CACHE
    CATEGORY CGC CLASSIFICATION CLASSIFY COMPRESS CONNECTOR DATAGRAM DECOMPRESS DEMANGLE DHCP DHCPv4 DHCPv6 DIAG
    DIAMETER DNS DNSMSG DOSL7 DSLITE ECA FIX FLOW FLOWTABLE FTP GENERICMESSAGE GTM GTP GZIP HA HTML HTTP2 HTTP3 ICAP
    IKE ILX IMAP IPFIX ISESSION IVS_ENTRY JSON L7CHECK LDAP LIBUV LINE LINK LISTEN LSN MESSAGE MQTT MR NAME NETFLOW
    NETWORKACCESS NSH NTLM NULL OAUTHPLUGIN OFFBOX ONECONNECT PCP PEM PLUGIN POLICY POP3 PPP PPTP PROFILE
    PROTOCOL_INSPECTION PSC PSM QOE QUIC RADIUS RELATE RESOLV RESOLVER REST REWRITE RISK ROUTE RTSP SAAS SCTP SDP SIP
    SIPALG SMTPS SOCKS SSE SSL SSLO TAP TCP TDS TMIREQLOG TMQ UDP VALIDATE VDI VPN WAM WEBSSH WEBSSO WS XLAT XML"""
)
"""The other name spaces."""

_NO_FLOW = names("RULE_INIT")
_OUTSIDE_HTTP = names("CLIENT_ACCEPTED CLIENT_DATA CLIENT_CLOSED")

NOT_IN: dict[str, frozenset[str]] = {
    **dict.fromkeys(("HTTP::uri", "HTTP::path", "HTTP::query"), _OUTSIDE_HTTP | {"HTTP_RESPONSE"}),
    "HTTP::status": _OUTSIDE_HTTP | {"HTTP_REQUEST", "SERVER_CONNECTED"},
    "HTTP::respond": _OUTSIDE_HTTP | {"LB_SELECTED", "SERVER_CONNECTED"},
    "HTTP::collect": _OUTSIDE_HTTP | {"SERVER_CONNECTED"},
    "SSL::cipher": _NO_FLOW | {"CLIENT_ACCEPTED", "CLIENT_DATA", "SERVER_CONNECTED", "CLIENT_CLOSED"},
    **dict.fromkeys(
        ("IP::client_addr", "IP::server_addr", "TCP::client_port", "LB::server", "pool", "node", "table"), _NO_FLOW
    ),
}
"""Command -> events in which TMM refuses it when the rule is loaded. Only what was measured, and what follows from it:
the path and the query are parts of the URI."""

MATH_LATER = names("bool entier isqrt max min")
"""Functions of expressions that came with Tcl 8.5."""


def is_known(name: str) -> bool:
    """Whether TMM may have a command of that name. ``False`` only where it surely has not."""
    if name in TCL or name in PLAIN or name in ("when", "proc"):
        return True
    space, _, command = name.removeprefix("::").partition("::")
    if not command:
        return name.startswith("::") and (space in TCL or space in PLAIN)
    return command in SPACES[space] if space in SPACES else space in OPEN_SPACES
