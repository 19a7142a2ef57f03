"""The catalogue's commands on data: data groups, the session table, text, digests, cryptography, certificates."""

from __future__ import annotations

from bigip_sm.lab.tcl.entries import CONNECTION, ensemble, entry, flags, sub
from bigip_sm.tcl.forms import Command

_ONE = (1, 1)
_TWO = (2, 2)
_FOUND = flags("-all -element -index -name -value --")
_WHERE = flags("--", "-subtable")
_KEPT = {**_WHERE, "-notouch": 0}
_HEX = flags("", "-alg -key -keyhex")
_CIPHER = flags("", "-alg -key -keyhex -iv -ivhex -padding")

GROUPS: tuple[Command, ...] = (
    ensemble(
        "class",
        "data groups",
        match=sub(
            "?-all? ?-element|-index|-name|-value? ?--? item operator group",
            "whether a record matches; or what that record is",
            (3, 3),
            _FOUND,
        ),
        search=sub(
            "?-all? ?-element|-index|-name|-value? ?--? group operator item",
            "like match, with the record on the left of the operator",
            (3, 3),
            _FOUND,
        ),
        lookup=sub("?--? item group", "the value of the record of that name, or empty", _TWO, flags("--")),
        element=sub(
            "?-name|-value? ?--? index group", "the record at that place, from 0", _TWO, flags("-name -value --")
        ),
        names=sub("?-nocase? group ?pattern?", "list of the names that match", (1, 2), flags("-nocase")),
        get=sub("?-nocase? group ?pattern?", "list of {name value} of those that match", (1, 2), flags("-nocase")),
        exists=sub("group", "whether there is a data group of that name", _ONE),
        size=sub("group", "the number of its records", _ONE),
        type=sub("group", "string, ip or integer", _ONE),
    ),
    entry("matchclass", "item operator group", "the number of the first record that matches, or 0", (3, 3)),
    entry("findclass", "item group ?separator?", "the record of that name; with a separator its value", (2, 3)),
)

TABLE: tuple[Command, ...] = (
    ensemble(
        "table",
        "the session table, shared by the TMMs; suspends the rule where another TMM holds the key",
        events=CONNECTION,
        set=sub(
            "?-notouch? ?-subtable name? ?-excl|-mustexist? ?--? key value ?timeout ?lifetime??",
            "writes an entry",
            (2, 4),
            {**_KEPT, "-excl": 0, "-mustexist": 0},
        ),
        add=sub(
            "?-notouch? ?-subtable name? ?--? key value ?timeout ?lifetime??", "writes a new entry only", (2, 4), _KEPT
        ),
        replace=sub(
            "?-notouch? ?-subtable name? ?--? key value ?timeout ?lifetime??", "writes an old entry only", (2, 4), _KEPT
        ),
        lookup=sub("?-notouch? ?-subtable name? ?--? key", "the value, or empty", _ONE, _KEPT),
        incr=sub(
            "?-notouch? ?-subtable name? ?-mustexist? ?--? key ?number?", "adds", (1, 2), {**_KEPT, "-mustexist": 0}
        ),
        append=sub(
            "?-notouch? ?-subtable name? ?-mustexist? ?--? key text", "appends", _TWO, {**_KEPT, "-mustexist": 0}
        ),
        delete=sub("?-subtable name? ?--? key | -all", "removes", (0, 1), {**_WHERE, "-all": 0}),
        timeout=sub(
            "?-subtable name? ?-remaining? ?--? key ?seconds?", "idle time", (1, 2), {**_WHERE, "-remaining": 0}
        ),
        lifetime=sub(
            "?-subtable name? ?-remaining? ?--? key ?seconds?", "absolute time", (1, 2), {**_WHERE, "-remaining": 0}
        ),
        keys=sub("-subtable name ?-count|-notouch?", "the keys of a subtable", (0, 0), {**_KEPT, "-count": 0}),
    ),
)

TEXT: tuple[Command, ...] = (
    entry("findstr", "text search ?skip ?end??", "from a match on, up to a text or a number of bytes", (2, 4)),
    entry("getfield", "text separator number", "one of the fields of a text, from 1", (3, 3)),
    entry("substr", "text skip ?end?", "from a place on, up to a text or a number of bytes", (2, 3)),
    entry("domain", "name count", "the last labels of a host name", _TWO),
    entry("b64encode", "bytes", "base64", _ONE),
    entry("b64decode", "text", "the bytes behind base64", _ONE),
    entry("crc32", "bytes", "the CRC-32, as a number", _ONE),
    *(
        entry(name, "bytes", f"the {label} of a string, binary", _ONE)
        for name, label in (
            *(("md5", "MD5"), ("sha1", "SHA-1"), ("sha256", "SHA-256"), ("sha384", "SHA-384"), ("sha512", "SHA-512")),
        )
    ),
    *(entry(name, "number", "byte order", _ONE) for name in ("htonl", "htons", "ntohl", "ntohs")),
)

CRYPTO: tuple[Command, ...] = (
    entry("CRYPTO::hash", "-alg name data", "the digest, binary", _ONE, options=flags("", "-alg")),
    entry("CRYPTO::sign", "-alg hmac-name -key bytes|-keyhex hex data", "the HMAC, binary", _ONE, options=_HEX),
    entry(
        "CRYPTO::verify",
        "-alg hmac-name -key bytes|-keyhex hex -signature bytes data",
        "whether that is the HMAC",
        _ONE,
        options={**_HEX, "-signature": 1},
    ),
    *(
        entry(
            name,
            "-alg aes-bits-cbc|aes-bits-ecb|rsa-pub|rsa-priv -key bytes|-keyhex hex ?-iv bytes|-ivhex hex?"
            " ?-padding pkcs|oaep? data",
            summary,
            _ONE,
            options=_CIPHER,
        )
        for name, summary in (
            ("CRYPTO::encrypt", "encrypts"),
            ("CRYPTO::decrypt", "decrypts; rsa-pub recovers what the private key signed"),
        )
    ),
    entry(
        "CRYPTO::keygen",
        "-alg random -len bits",
        "random bytes",
        (0, 0),
        options=flags("", "-alg -len -passphrase -salt -salthex -rounds"),
    ),
    entry("AES::key", "?128|192|256|passphrase?", "a key for AES::encrypt", (0, 1)),
    entry("AES::encrypt", "key data", "encrypts, binary", _TWO),
    entry("AES::decrypt", "key data", "decrypts; empty if that fails", _TWO),
)

X509: tuple[Command, ...] = (
    entry("X509::subject", "cert ?commonName?", "the subject, or its common name", (1, 2)),
    entry("X509::issuer", "cert", "the issuer", _ONE),
    entry("X509::serial_number", "cert", "the serial number, hexadecimal", _ONE),
    entry("X509::hash", "cert", "the MD5 fingerprint, hexadecimal", _ONE),
    entry("X509::whole", "cert", "the certificate in PEM", _ONE),
    entry("X509::pem2der", "pem", "the DER of a certificate in PEM", _ONE),
    entry("X509::not_valid_before", "cert", "from when it is valid", _ONE),
    entry("X509::not_valid_after", "cert", "until when it is valid", _ONE),
    entry("X509::version", "cert", "the version, 3 nearly always", _ONE),
    entry("X509::signature_algorithm", "cert", "the algorithm of its signature", _ONE),
    entry("X509::subject_public_key_type", "cert", "RSA or EC", _ONE),
    entry("X509::subject_public_key_RSA_bits", "cert", "the size of an RSA key", _ONE),
    entry("X509::extensions", "cert", "the extensions as OpenSSL prints them", _ONE),
    entry("X509::verify_cert_error_string", "number", "OpenSSL's words for a verify result", _ONE),
)
