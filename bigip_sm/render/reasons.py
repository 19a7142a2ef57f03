"""Every reason for which the gateway refuses a request: the one list that the iRule, the docs and the tests share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One refusal.

    ``code`` is what callers see in ``X-Gateway-Reason``, ``status`` the HTTP status, ``message`` the sentence in the
    answer. ``meaning``, ``who`` (must act) and ``check`` (how to) are for the docs.
    """

    code: str
    status: int
    message: str
    meaning: str
    who: str
    check: str


_REASONS = (
    Reason(
        "header-invalid",
        400,
        "a request header is malformed, repeated or too long",
        "Host, Content-Type, Accept, Content-Length or Transfer-Encoding is repeated, over 1,024 bytes, or holds "
        "something other than printable ASCII.",
        "caller",
        "Look at the request with `curl -v`.",
    ),
    Reason(
        "path-not-normalized",
        400,
        "the path is not in its normal form",
        "The path has empty or dot segments, encoded characters that need no encoding, lower-case escapes, an encoded "
        "slash, backslash or control character, bytes that no URI may hold, or more than 1,024 bytes. Such paths are "
        "how rules written for one spelling are walked around.",
        "caller",
        "Send the path in the form that RFC 3986, section 6.2.2, calls normalized.",
    ),
    Reason(
        "query-invalid",
        400,
        "the query string is malformed, too long, or holds an X-Amz- parameter",
        "The query is over 4,096 bytes, has a broken percent-encoding or a character that must be encoded, or tries to "
        "pass a signature of its own.",
        "caller",
        "Percent-encode the values; leave out parameters that begin with X-Amz-.",
    ),
    Reason(
        "unauthenticated",
        401,
        "no identity: present a client certificate or call from a known network",
        "No identity of the gateway knows this caller.",
        "caller",
        "`curl --cert … --key …`; compare the source address with the `network` identities in gateway.yaml.",
    ),
    Reason(
        "client-certificate-untrusted",
        401,
        "the client certificate does not chain to a trusted CA",
        "A client certificate was presented, but it is expired, not yet valid, or not issued by the listener's CA.",
        "caller",
        "`openssl verify -CAfile clients-ca.pem client.pem`",
    ),
    Reason(
        "client-certificate-unusable",
        401,
        "the common name of the client certificate cannot be used as a subject",
        "The certificate is trusted, but its common name is missing, over 128 characters, or holds a character outside "
        "letters, digits, blank and . _ @ + = , : / -",
        "owner of the CA",
        "`openssl x509 -noout -subject -in client.pem`",
    ),
    Reason(
        "not-allowed",
        403,
        "this caller may not use this route",
        "The caller is known, but the route's `allow` does not name it.",
        "owner of the gateway",
        "Compare the caller with `allow` of the route in gateway.yaml.",
    ),
    Reason(
        "no-route",
        404,
        "no route has this path",
        "No route of this listener matches the path.",
        "caller",
        "Compare the path with the routes in gateway.yaml.",
    ),
    Reason(
        "method-not-allowed",
        405,
        "this path does not take this method",
        "A route has this path, but not this method; the `Allow` header lists those it has.",
        "caller",
        "Read the `Allow` header of the answer.",
    ),
    Reason(
        "length-required",
        411,
        "send a Content-Length",
        "Bodies on this route are passed on unread, so their size must be known beforehand; chunked bodies are not.",
        "caller",
        "Send the body with a Content-Length.",
    ),
    Reason(
        "body-too-large",
        413,
        "the body is larger than this route allows",
        "The body exceeds `limits.body` of the route. It was refused before it was read whole.",
        "caller",
        "Compare the size with `limits.body` in gateway.yaml.",
    ),
    Reason(
        "content-encoding-refused",
        415,
        "send the body without Content-Encoding",
        "The body is compressed; what cannot be read cannot be checked.",
        "caller",
        "Send the body as it is.",
    ),
    Reason(
        "expectation-failed",
        417,
        "the only expectation that can be met is 100-continue",
        "The Expect header asks for something other than 100-continue.",
        "caller",
        "Leave the Expect header out.",
    ),
    Reason(
        "unknown-host",
        421,
        "this host name is not served here",
        "The Host header names none of the listener's `hostnames`.",
        "caller",
        "Compare the host name with `hostnames` of the listener in gateway.yaml.",
    ),
    Reason(
        "internal-error",
        500,
        "the gateway could not handle the request",
        "The iRule met an error that it does not know. The request was not sent to AWS.",
        "owner of the gateway",
        "Search /var/log/ltm for the request id of the answer; report the stage that is logged with it.",
    ),
    Reason(
        "aws-refused",
        502,
        "AWS refused the gateway's own credentials",
        "AWS answered 403: the role may not invoke this endpoint (IAM, VPC endpoint policy, SCP), the session was "
        "revoked, or the signature was not accepted. AWS's text is kept from the caller, because it may quote the "
        "session token and the account.",
        "owner of the role",
        "/var/log/ltm has AWS's error type and request id beside the request id of the answer; then CloudTrail.",
    ),
    Reason(
        "upstream-unreachable",
        502,
        "no connection to the model's endpoint could be made",
        "Connecting to the VPC endpoint failed. Nothing was sent to AWS.",
        "network team",
        "`tmsh show ltm pool` of the upstream; security groups and state of the VPC endpoint.",
    ),
    Reason(
        "no-region-available",
        503,
        "no region of this model's endpoint is available",
        "The monitors hold every pool of the upstream for down, or have not answered yet.",
        "network team",
        "`tmsh show ltm pool` of the upstream; security groups and state of the VPC endpoint.",
    ),
    Reason(
        "credentials-missing",
        503,
        "the gateway has no AWS credentials for this route",
        "The data group of the role has no record for this region, service and UTC date.",
        "owner of the rotator",
        "`bigip-sm-rotator once gateway.yaml --devices devices.yaml`",
    ),
    Reason(
        "credentials-expired",
        503,
        "the gateway's AWS credentials for this route have expired",
        "The rotator has not brought fresh credentials in time. Nothing was sent to AWS.",
        "owner of the rotator",
        "The rotator's log; clock of the BIG-IP (`date -u`).",
    ),
    Reason(
        "credentials-invalid",
        503,
        "the gateway's AWS credentials for this route are not in the expected form",
        "A credential record is not in format version 1, or claims to be good for more than 12 hours.",
        "owner of the rotator",
        "Who else writes to the partition bigip_sm? Run the rotator with `--force`.",
    ),
)

REASONS: dict[str, Reason] = {reason.code: reason for reason in _REASONS}
