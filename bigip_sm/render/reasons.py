"""Every reason for which the gateway refuses a request: the one list that the iRule, the docs and the tests share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One refusal.

    ``code`` is what callers see in ``X-Gateway-Reason``, ``status`` the HTTP status, ``message`` the sentence in the
    answer. ``meaning``, ``who`` (must act) and ``check`` (how to) are for the docs. ``stage`` is the type of identity
    without which no iRule has this reason; empty if all have it.
    """

    code: str
    status: int
    message: str
    meaning: str
    who: str
    check: str
    stage: str = ""


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
        "json-invalid",
        400,
        "the body is not one well-formed JSON object",
        "The body is not a JSON object (RFC 8259), or one that two readers could read differently: a name twice at the "
        "top level, bytes that are not UTF-8, a byte order mark, a NUL, half of a surrogate pair, something behind the "
        "last brace.",
        "caller",
        "`python3 -m json.tool body.json`; then look for a name that is there twice.",
        "json",
    ),
    Reason(
        "header-missing",
        400,
        "a header that this route requires is missing",
        "One of the headers that `validation.headers` of the route lists is not there.",
        "caller",
        "Compare the request with `validation.headers` of the route in gateway.yaml.",
        "content",
    ),
    Reason(
        "model-missing",
        400,
        "name a model in the member model of the body",
        "The route takes certain models only, and the body has no member `model`, or one that is no string.",
        "caller",
        "Look at `model` in the body.",
        "validate",
    ),
    Reason(
        "field-not-allowed",
        400,
        "the body has a member that this route does not allow",
        "A member at the top level of the JSON is not among `validation.fields` of the route.",
        "caller",
        "Compare the body with `validation.fields` of the route in gateway.yaml.",
        "validate",
    ),
    Reason(
        "shape-invalid",
        400,
        "the body does not have the shape that the model takes",
        "`tensorflow`: not one of `instances`, `inputs` and `examples`, more than one of them, of the wrong type, or a "
        "`signature_name` that is no string. `openai-chat`: `messages` is missing, empty or no list.",
        "caller",
        "Compare the body with `validation.shape` of the route in gateway.yaml.",
        "validate",
    ),
    Reason(
        "unauthenticated",
        401,
        "no identity: present a credential that this gateway accepts",
        "No identity of the gateway knows this caller: there is no client certificate, token or API key that the "
        "listener reads, and the network is not known.",
        "caller",
        "`curl --cert … --key …`, or `-H 'Authorization: Bearer …'`; compare the source address with the `network` "
        "identities in gateway.yaml.",
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
        "the client certificate does not name a caller of this gateway",
        "The certificate is trusted, but the part of it that the identity takes for the subject is missing, there more "
        "than once, over 128 characters, or holds a character outside letters, digits, blank and . _ @ + = , : / - Or "
        "no identity takes certificates of its issuer.",
        "owner of the CA",
        "`openssl x509 -noout -subject -issuer -ext subjectAltName -in client.pem`; compare with `subject` and "
        "`issuer` of the identity.",
    ),
    Reason(
        "jwt-too-large",
        401,
        "the token is too long",
        "The token is longer than `max_size` of the identity. It was not decoded.",
        "caller",
        "Count its characters. Tokens with very many groups: let the provider send the ones of this application only.",
        "jwt",
    ),
    Reason(
        "jwt-malformed",
        401,
        "the token is not a well-formed JWT",
        "What follows Bearer is not three parts in base64url; or its header or payload is not one well-formed JSON "
        "object: broken syntax, a name twice, more than 8 levels, a NUL; or `exp` is missing, or a time no number.",
        "caller",
        "Decode the parts between the dots with `base64 -d`.",
        "jwt",
    ),
    Reason(
        "jwt-algorithm",
        401,
        "tokens must be signed with RS256",
        "The header of the token has another `alg` than RS256, `none` and HS256 among them, or extensions in `crit`.",
        "caller",
        "Have the provider sign with RS256.",
        "jwt",
    ),
    Reason(
        "jwt-issuer",
        401,
        "the issuer of the token is not accepted",
        "No identity has this `iss` as its `issuer`. The two are compared as they are, the last slash included.",
        "caller",
        "Compare `iss` in the payload with `issuer` in gateway.yaml.",
        "jwt",
    ),
    Reason(
        "jwt-unknown-key",
        401,
        "the key that signed the token is not known",
        "The gateway has no key of this issuer with the token's `kid`: the token has none, the issuer has withdrawn "
        "the key, or published it so lately that it is not here yet.",
        "owner of the rotator",
        "Compare `kid` in the token's header with the issuer's key set, then look for it in the data group "
        "`/bigip_sm/<gateway>.jwks`.",
        "jwt",
    ),
    Reason(
        "jwt-signature",
        401,
        "the signature of the token is wrong",
        "The token was altered, cut, or signed with another key.",
        "caller",
        "Get a new token.",
        "jwt",
    ),
    Reason(
        "jwt-audience",
        401,
        "the token is for somebody else",
        "The audience of the token is none of the identity's.",
        "caller",
        "Compare `aud` in the payload with `audience` in gateway.yaml.",
        "jwt",
    ),
    Reason(
        "jwt-expired",
        401,
        "the token has expired",
        "The time in `exp` is past by more than the identity's `leeway`.",
        "caller",
        "Get a new token; compare the clock of the BIG-IP (`date -u`).",
        "jwt",
    ),
    Reason(
        "jwt-not-yet",
        401,
        "the token is not valid yet",
        "The time in `nbf` or `iat` is to come by more than the identity's `leeway`.",
        "caller",
        "Compare the clocks of the issuer and the BIG-IP (`date -u`).",
        "jwt",
    ),
    Reason(
        "jwt-subject",
        401,
        "the token names no caller",
        "The claim that the identity takes for the subject is missing, no text, over 128 characters, or holds a "
        "character outside letters, digits, blank and . _ @ + = , : / -",
        "owner of the gateway",
        "Compare the payload with `subject` of the identity in gateway.yaml.",
        "jwt",
    ),
    Reason(
        "api-key-unknown",
        401,
        "this API key is not known",
        "The SHA-256 of the key is not among the `keys` of the identity.",
        "caller",
        '`printf %s "$KEY" | sha256sum`, and compare with gateway.yaml.',
        "api-key",
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
        "model-not-allowed",
        404,
        "this route has no such model",
        "The member `model` of the body is none of the route's `match.models`.",
        "caller",
        "Compare `model` with `match.models` of the route in gateway.yaml.",
        "validate",
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
        "json-too-complex",
        413,
        "the JSON body is nested too deep or has too many parts",
        "More than 32 levels, 1,000 members at the top level, 50,000 strings, or brackets without end. It was not read "
        "to its end.",
        "caller",
        "Send less in one request.",
        "json",
    ),
    Reason(
        "content-type-refused",
        415,
        "this route does not take this content type",
        "The Content-Type is none of the route's, is missing, or has a parameter other than charset=utf-8.",
        "caller",
        "Compare the header with `validation.content_types` of the route in gateway.yaml.",
        "content",
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
        "too-many-requests",
        429,
        "too many requests: try again later",
        "A limit of `limits.requests` is reached. Retry-After says when its window ends; refused requests count.",
        "caller",
        "The rate-limit headers of the answer name the limit; compare with `limits` of the route.",
        "quota",
    ),
    Reason(
        "too-many-at-once",
        429,
        "too many requests at one time: wait for an answer before the next request",
        "A limit of `limits.concurrency` is reached. Streams count until they end or their connection is closed.",
        "caller",
        "How many requests does the caller have open? Compare with `limits` of the route.",
        "acquire",
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
        "answer-invalid",
        502,
        "the model's answer is not in the form that this route expects",
        "The route inspects answers or passes certain members of them on, and this answer, or an event of a stream, is "
        "no JSON object, or is compressed though that was not asked for.",
        "owner of the model",
        "Ask the endpoint directly and look at its answer.",
        "answer",
    ),
    Reason(
        "answer-too-large",
        502,
        "the model's answer is larger than this route allows",
        "The route inspects or changes answers, and this one, or one event of a stream, is larger than 1 MiB.",
        "owner of the model",
        "Let the caller ask for less, or for a stream.",
        "answer",
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
        "overloaded",
        503,
        "the model has as many requests as it may have: try again",
        "As many requests as `in_flight` of the upstream allows are at the model, from all callers together.",
        "owner of the model",
        "Load and number of instances of the endpoint; compare with `in_flight` of the upstream.",
        "acquire",
    ),
    Reason(
        "circuit-open",
        503,
        "the model has failed several times: try again later",
        "Every region of the upstream that could be reached failed as often as `circuit` allows, and is skipped for a "
        "while.",
        "owner of the model",
        "/var/log/ltm says since when; then the endpoint in AWS, its logs and alarms.",
        "circuit",
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
