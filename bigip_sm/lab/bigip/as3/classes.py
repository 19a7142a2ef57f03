"""The AS3 classes that the lab emulates, and for each of their properties how far: the one table of fidelity.

- ``used``: what the data plane shows; the value's type is checked.
- ``only``: emulated for these values alone, any other is refused; the first value is AS3's default unless said
  otherwise.
- ``free``: accepted whatever the value, because nothing that the lab shows depends on it: words for people,
  buffers, TCP tuning, timers of kernels, renegotiation and record sizes of TLS, caches.
- ``refused``: a property of the class that changes traffic in a way the lab does not reproduce.

Anything else is not a property of the class: refused where AS3's schema closes the class, ignored in silence where
it does not, as AS3 does. Defaults and closedness: AS3 3.56's ``schema/latest/adc-schema.json``.
"""

from __future__ import annotations

from bigip_sm.lab.bigip.as3.rules import UNSET, ClassRules, anything, array, boolean, integer, names, one_of, only, text

_TLS_FREE = """alertTimeout cacheTimeout handshakeTimeout insertEmptyFragmentsEnabled singleUseDhEnabled
        ssl3Enabled sslEnabled secureRenegotiation uncleanShutdownEnabled renegotiatePeriod renegotiateSize
        sslSignHash dtlsEnabled dtls1_2Enabled"""
_TLS_ONLY = {
    "authenticationDepth": only(9),
    "authenticationFrequency": only("one-time"),
    "allowExpiredCRL": only(False),
    "c3dEnabled": only(False),
    "forwardProxyEnabled": only(False),
    "forwardProxyBypassEnabled": only(False),
    "proxySslEnabled": only(False),
    "proxySslPassthroughEnabled": only(False),
    "retainCertificateEnabled": only(True),
    "requireSNI": only(False),
    "ciphers": only(UNSET, "DEFAULT"),
    "cipherGroup": only(UNSET, {"bigip": "/Common/f5-default"}),
}
_TLS_VERSIONS = {f"tls1_{minor}Enabled": boolean for minor in range(4)}

TLS_SERVER = ClassRules(
    "TLS_Server",
    closed=True,
    required=("certificates",),
    used={
        "certificates": array,
        "authenticationMode": one_of("ignore", "request", "require"),
        "authenticationTrustCA": anything,
        "renegotiationEnabled": boolean,
        **_TLS_VERSIONS,
    },
    only={
        **_TLS_ONLY,
        "cacheCertificateEnabled": only(False),
        "hybrid": only(False),
        "staplerOCSPEnabled": only(False),
        "nonSslConnectionsEnabled": only(False),
        "dataZeroRoundTripTime": only("disabled"),
    },
    free=names(
        _TLS_FREE + " namingScheme allowDynamicRecordSizing renegotiateMaxRecordDelay c3dOCSPUnknownStatusAction"
    ),
    refused=names("""crlFile authenticationInviteCA c3dOCSP certificateExtensions
        forwardProxyBypassAllowlist ldapStartTLS smtpsStartTLS notifyCertStatusToVirtualServer"""),
)
TLS_SERVER_CERTIFICATE = ClassRules(
    "certificates[] of TLS_Server",
    closed=True,
    required=("certificate",),
    used={"certificate": text},
    only={
        "enabled": only(True),
        "sniDefault": only(False, True),
        "authenticationMode": only("ignore"),
        "authenticationFrequency": only("one-time"),
    },
    refused=names("matchToSNI proxyCertificate"),
)
TLS_CLIENT = ClassRules(
    "TLS_Client",
    closed=True,
    used={
        "sendSNI": text,
        "serverName": text,
        "validateCertificate": boolean,
        "trustCA": anything,
        "sniDefault": boolean,
        **_TLS_VERSIONS,
    },
    only={
        **_TLS_ONLY,
        "ignoreExpired": only(False),
        "ignoreUntrusted": only(False),
        "dataZeroRoundTripTime": only(False),
    },
    free=names(_TLS_FREE + " renegotiationEnabled sessionTickets c3dCertificateExtensions c3dCertificateLifespan"),
    refused=names("""clientCertificate crlFile ldapStartTLS c3dCertificateAuthority"""),
)
CERTIFICATE = ClassRules(
    "Certificate",
    closed=True,
    required=("certificate",),
    used={"certificate": anything, "privateKey": anything, "chainCA": anything},
    refused=names("passphrase pkcs12 pkcs12Options staplerOCSP issuerCertificate"),
)
CA_BUNDLE = ClassRules("CA_Bundle", closed=True, required=("bundle",), used={"bundle": anything})

POOL = ClassRules(
    "Pool",
    closed=True,
    used={
        "members": array,
        "monitors": array,
        # Approximated: a failed connection raises LB_FAILED at once, and members are taken in turn in both modes.
        "reselectTries": integer(0, 65535),
        "slowRampTime": integer(0, 900),
    },
    only={
        "loadBalancingMode": only("round-robin", "least-connections-member"),
        "minimumMembersActive": only(1),
        "minimumMonitors": only(1, "all"),
        "serviceDownAction": only("none"),
    },
    free=names("allowNATEnabled allowSNATEnabled metadata"),
)
POOL_MEMBER = ClassRules(
    "Pool_Member",
    closed=False,
    required=("servicePort",),
    used={
        "servicePort": integer(1, 65535),
        "addressDiscovery": one_of("static", "fqdn"),
        "serverAddresses": array,
        "servers": array,
        "hostname": text,
        "fqdnPrefix": text,
        "autoPopulate": boolean,
        "priorityGroup": integer(0, 65535),
        "enable": boolean,
    },
    only={
        "connectionLimit": only(0),
        "rateLimit": only(-1),
        "ratio": only(1),
        "dynamicRatio": only(1),
        "adminState": only("enable"),
        "shareNodes": only(False),
        "addressFamily": only("IPv4"),
    },
    free=names("metadata queryInterval downInterval updateInterval"),
    refused=names("""bigip monitors minimumMonitors routeDomain region roleARN externalId accessKeyId
        secretAccessKey tagKey tagValue addressRealm credentialUpdate undetectableAction resourceGroup
        subscriptionId useManagedIdentity directoryId applicationId apiAccessKey resourceType resourceId
        environment encodedCredentials projectId uri encodedToken trustCA rejectUnauthorized jmesPathQuery"""),
)
MONITOR = ClassRules(
    "Monitor",
    closed=False,
    required=("monitorType",),
    used={
        "send": text,
        "receive": text,
        "interval": integer(1, 3600),
        "timeout": integer(1, 900),
        "timeUntilUp": integer(0, 1800),
        "clientTLS": anything,
    },
    only={
        "monitorType": only("https"),
        "reverse": only(False),
        "receiveDown": only(""),
        "adaptive": only(False),
        "upInterval": only(0),
        "targetAddress": only(""),
        "targetPort": only(0),
        "transparent": only(False),
        "dscp": only(0),
        "ciphers": only("DEFAULT"),
    },
    free=names("""adaptiveDivergenceType adaptiveDivergenceMilliseconds adaptiveDivergencePercentage
        adaptiveLimitMilliseconds adaptiveWindow"""),
    refused=names("username passphrase clientCertificate"),
)
HTTP_PROFILE = ClassRules(
    "HTTP_Profile",
    closed=False,
    used={
        "xForwardedFor": boolean,
        "enforceRFCCompliance": boolean,
        "pipelineAction": one_of("allow", "reject", "pass-through"),
        "unknownMethodAction": one_of("allow", "reject", "pass-through"),
        "knownMethods": array,
        "serverHeaderValue": text,
        "maxHeaderSize": integer(9, 262144),
        "maxHeaderCount": integer(1, 1024),
        "hstsInsert": boolean,
        "hstsPeriod": integer(0, 2147483647),
        "hstsIncludeSubdomains": boolean,
        "hstsPreload": boolean,
    },
    only={
        "proxyType": only("reverse"),
        "allowBlankSpaceAfterHeaderName": only(False),
        "maxRequests": only(0),
        "requestChunking": only("preserve", "sustain"),
        "responseChunking": only("selective", "sustain"),
        "rewriteRedirects": only("none"),
        "trustXFF": only(False),
        "viaRequest": only("remove"),
        "viaResponse": only("remove"),
        "webSocketsEnabled": only(False),
        "proxyConnectEnabled": only(False),
        "truncatedRedirects": only(False),
        "multiplexStatusReuse": only("200 206"),
    },
    free=names("multiplexTransformations webSocketMasking"),
    refused=names("""insertHeader whiteOutHeader allowedResponseHeaders otherXFF encryptCookies cookiePassphrase
        fallbackRedirect fallbackStatusCodes viaHost profileWebSocket resolver doNotProxyHosts tunnelName
        defaultConnectAction routeDomain connectErrorMessage dnsErrorMessage badRequestMessage
        badResponseMessage ipv6 excessClientHeaders excessServerHeaders oversizeClientHeaders
        oversizeServerHeaders"""),
)
TCP_PROFILE = ClassRules(
    "TCP_Profile",
    closed=True,
    used={
        "idleTimeout": integer(1, 86400),
        "keepAliveInterval": integer(1, 86400),
        "synRtoBase": integer(0, 5000),
        "synMaxRetrans": integer(0, 12),
    },
    only={
        "deferredAccept": only(False),
        "verifiedAccept": only(False),
        "md5Signature": only(False),
        "mptcp": only("disable"),
        "proxyOptions": only(False),
        "resetOnTimeout": only(True),
    },
    free=names("""abc ackOnPush autoProxyBufferSize autoReceiveWindowSize autoSendBufferSize closeWaitTimeout
        congestionControl congestionMetricsCache congestionMetricsCacheTimeout delayWindowControl
        delayedAcks dsack earlyRetransmit ecn enhancedLossRecovery fastOpen fastOpenCookieExpiration
        finWait2Timeout finWaitTimeout initCwnd initRwnd ipDfMode ipTosToClient limitedTransmit
        linkQosToClient maxRetrans maxSegmentSize minimumRto mptcpCsum mptcpCsumVerify mptcpFallback
        mptcpFastJoin mptcpIdleTimeout mptcpJoinMax mptcpMakeAfterBreak mptcpNoJoinDssAck mptcpRetransmitMin
        mptcpRtoMax mptcpSubflowMax mptcpTimeout nagle pktLossIgnoreBurst pktLossIgnoreRate proxyBufferHigh
        proxyBufferLow proxyMSS pushFlag ratePace ratePaceMaxRate receiveWindowSize retransmitThreshold
        selectiveAcks selectiveNack sendBufferSize slowStart synCookieAllowlist synCookieEnable
        synCookieWhitelist tailLossProbe timeWaitRecycle timeWaitTimeout timestamps ttlIPv4 ttlIPv6 ttlMode
        zeroWindowTimeout"""),
    refused=names("md5SignaturePassphrase tcpOptions"),
)
MULTIPLEX_PROFILE = ClassRules(
    "Multiplex_Profile",
    closed=True,
    used={
        "maxConnections": integer(0, 2**31),
        "maxConnectionAge": integer(0, 2**31),
        "maxConnectionReuse": integer(0, 2**31),
    },
    only={
        "sourceMask": only(UNSET, "0.0.0.0", "any"),  # noqa: S104 - a mask, nothing binds to it
        "idleTimeoutOverride": only(0),
        "connectionLimitEnforcement": only("none"),
        "sharePools": only(False),
    },
)
DATA_GROUP = ClassRules(
    "Data_Group",
    closed=False,
    required=("keyDataType", "records"),
    used={"keyDataType": one_of("string", "integer", "ip"), "records": array},
    only={"storageType": only("internal")},
    free=names("ignoreChanges separator"),
    refused=names("externalFilePath dataGroupFile"),
)
IRULE = ClassRules("iRule", closed=True, required=("iRule",), used={"iRule": anything, "expand": boolean})
STATISTICS_PROFILE = ClassRules(
    "Statistics_Profile", closed=True, used={f"field{number}": text for number in range(1, 33)}
)
_SERVICE_USED = {
    "virtualAddresses": array,
    "virtualPort": integer(1, 65535),
    "iRules": array,
    "pool": anything,
    "clientTLS": anything,
    "profileHTTP": anything,
    "profileTCP": anything,
    "profileMultiplex": anything,
    "profileStatistics": anything,
    "policyWAF": anything,
    "profileBotDefense": anything,
    "profileDOS": anything,
    "profileAnalytics": anything,
    "enable": boolean,
    "adminState": one_of("enable", "disable"),
}
_SERVICE_ONLY = {
    "persistenceMethods": only([], default=["cookie"]),
    "snat": only("auto", "self"),
    "virtualType": only("standard"),
    "layer4": only("tcp"),
    "serviceDownImmediateAction": only("none"),
    "shareAddresses": only(False),
    "maxConnections": only(0),
    "rateLimit": only(0),
    "addressStatus": only(True),
    "mirroring": only("none"),
    "lastHop": only("default", "auto"),
    "translateClientPort": only(False, "change"),
    "translateServerAddress": only(True),
    "translateServerPort": only(True),
    "serversslUseSni": only(False),
    "nat64Enabled": only(False),
    "httpMrfRoutingEnabled": only(False),
    "maximumBandwidth": only(UNSET, "infinite"),
    "sourceAddress": only(UNSET, "0.0.0.0/0", "::/0"),
}
_SERVICE_REFUSED = names("""profileHTTP2 profileAnalyticsTcp profileService profileSplitsessionClient
        profileSSE profileConnector profileHTTPCompression profileHTTPAcceleration profileHTML profileJSON
        profileNTLM policyIAM profileFPS profileRequestAdapt profileResponseAdapt profileAccess
        profilePingAccess profileConnectivity policyPerRequestAccess profileVdi profileApiProtection
        profileWebSocket profileFIX profileSSHProxy policyEndpoint
        profileStream policyBandwidthControl policyFirewallEnforced policyFirewallStaged policyNAT
        policyIdleTimeout fallbackPersistenceMethod allowVlans rejectVlans securityLogProfiles
        profileDiameterEndpoint profileEnforcement profileSubscriberManagement profileIPOther
        profileClassification profileDNS profileTrafficLog profileRewrite
        profileProtocolInspection clonePools ipIntelligencePolicy profileIntegratedBotDefense include""")
SERVICE_HTTPS = ClassRules(
    "Service_HTTPS",
    closed=False,
    required=("virtualAddresses",),
    used={**_SERVICE_USED, "serverTLS": anything, "redirect80": boolean},
    only=_SERVICE_ONLY,
    free=names("metadata"),
    refused=_SERVICE_REFUSED,
)
SERVICE_HTTP = ClassRules(
    "Service_HTTP",
    closed=False,
    required=("virtualAddresses",),
    used=_SERVICE_USED,
    only=_SERVICE_ONLY,
    free=names("metadata"),
    refused=_SERVICE_REFUSED - {"profileHTTP2"} | {"serverTLS"},
)
_HTTP_ONLY = names("""policyIAM policyPerRequestAccess policyWAF profileAccess profileAnalytics profileApiProtection
        profileBotDefense profileConnectivity profileDOS profileFPS profileHTML profileHTTP profileHTTP2
        profileHTTPAcceleration profileHTTPCompression profileJSON profileMultiplex profileNTLM profilePingAccess
        profileRequestAdapt profileResponseAdapt profileSSE profileVdi profileWebSocket""")
SERVICE_TCP = ClassRules(
    "Service_TCP",
    closed=False,
    required=("virtualAddresses", "virtualPort"),
    used={
        name: check for name, check in _SERVICE_USED.items() if name not in _HTTP_ONLY | {"iRules", "profileStatistics"}
    },
    only={**_SERVICE_ONLY, "iRules": only([]), "persistenceMethods": only([], default=["source-address"])},
    free=names("metadata"),
    refused=(_SERVICE_REFUSED - _HTTP_ONLY)
    | names("""serverTLS profileStatistics mqttEnabled profileFTP profileICAP profileILX profilePPTP profileRTSP
        profileSIP profileSOCKS"""),
)
TENANT = ClassRules(
    "Tenant",
    closed=False,
    used={"optimisticLockKey": text},
    only={"enable": only(True), "defaultRouteDomain": only(0)},
    free=names("constants controls verifiers useCommonRouteDomainTenant"),
)
APPLICATION = ClassRules(
    "Application",
    closed=False,
    only={"template": only("generic", "shared"), "enable": only(True)},
    free=names("constants"),
    refused=names("schemaOverlay"),
)

ITEMS = {
    rules.name: rules
    for rules in (
        TLS_SERVER,
        TLS_CLIENT,
        CERTIFICATE,
        CA_BUNDLE,
        POOL,
        MONITOR,
        HTTP_PROFILE,
        TCP_PROFILE,
        MULTIPLEX_PROFILE,
        DATA_GROUP,
        IRULE,
        SERVICE_HTTPS,
        SERVICE_HTTP,
        SERVICE_TCP,
        STATISTICS_PROFILE,
    )
}
"""The classes of items, by name."""

ADC = names("class $schema updateMode schemaVersion id target label remark constants controls scratch")
"""The properties of class ADC; whatever else it holds are tenants."""

_ENVELOPE = names("""schemaVersion id updateMode controls $schema target scratch dryRun logLevel trace traceResponse
        userAgent fortune archiveId archiveTimestamp key value use bigip text base64 url copyFrom ingress
        egress name address""")
KNOWN_NAMES = _ENVELOPE.union(
    *(rules.properties for rules in (*ITEMS.values(), TENANT, APPLICATION, POOL_MEMBER, TLS_SERVER_CERTIFICATE))
)
"""Every property name of the emulated classes: what the lab knows without F5's schema."""
