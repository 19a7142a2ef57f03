"""Names of algorithms and operators that loader and data plane share."""

from __future__ import annotations

from bigip_sm.tcl.forms import names

CLASS_OPERATORS = names("equals starts_with ends_with contains")
DIGESTS = names("md5 ripemd160 sha1 sha224 sha256 sha384 sha512")
AES_CIPHERS = names("aes-128-cbc aes-192-cbc aes-256-cbc aes-128-ecb aes-192-ecb aes-256-ecb")
ASYMMETRIC = names("rsa-pub rsa-priv")
