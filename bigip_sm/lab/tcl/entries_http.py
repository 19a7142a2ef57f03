"""The catalogue's ``HTTP::`` and ``URI::`` commands."""

from __future__ import annotations

from bigip_sm.lab.tcl.entries import REQUEST, RESPOND, RESPONSE, entry, flags, sub
from bigip_sm.tcl.forms import Command, names

_MESSAGE = REQUEST | RESPONSE
_COLLECT = names("HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED HTTP_RESPONSE HTTP_RESPONSE_DATA")
_BODY = names("HTTP_REQUEST HTTP_REQUEST_DATA HTTP_RESPONSE HTTP_RESPONSE_DATA")
_RETRY = names("HTTP_REQUEST HTTP_REQUEST_DATA LB_SELECTED LB_FAILED HTTP_RESPONSE HTTP_RESPONSE_DATA")
_ONE = (1, 1)
_SET = (0, 1)
_NORMALIZED = flags("-normalized")
_NAMED = (1, 2)

HTTP: tuple[Command, ...] = (
    entry("HTTP::method", "", "the request's method", events=REQUEST),
    entry(
        "HTTP::path",
        "?-normalized | path?",
        "the request's path; an argument replaces it",
        _SET,
        options=_NORMALIZED,
        events=REQUEST,
    ),
    entry(
        "HTTP::uri",
        "?-normalized | uri?",
        "the request's path and query; an argument replaces both",
        _SET,
        options=_NORMALIZED,
        events=REQUEST,
    ),
    entry(
        "HTTP::query",
        "?-normalized | query?",
        "the query, without the question mark; or replaces it",
        _SET,
        options=_NORMALIZED,
        events=REQUEST,
    ),
    entry("HTTP::host", "?host?", "the value of the Host header; or replaces it", _SET, events=REQUEST),
    entry("HTTP::version", "", "the version of HTTP: 1.0 or 1.1", events=_MESSAGE),
    entry("HTTP::request", "", "request line and headers, as they would be sent", events=REQUEST),
    entry("HTTP::request_num", "", "the number of the request on its connection, from 1", events=_MESSAGE),
    entry("HTTP::is_keepalive", "", "whether the client keeps the connection open", events=_MESSAGE),
    entry("HTTP::is_redirect", "", "whether the response is a redirect", events=RESPONSE),
    entry("HTTP::username", "", "the user name of Basic authentication, or empty", events=REQUEST),
    entry("HTTP::password", "", "the password of Basic authentication, or empty", events=REQUEST),
    entry("HTTP::status", "", "the response's status", events=RESPONSE),
    entry(
        "HTTP::header",
        "name",
        "the value of the last header of that name, or empty; names compare without case",
        _ONE,
        events=_MESSAGE,
        subcommands={
            "value": sub("name", "the value of the last header of that name, or empty", _ONE),
            "values": sub("name", "list of the values of all headers of that name", _ONE),
            "names": sub("", "list of the names of all headers"),
            "at": sub("index", "the name of the header at that place, from 0", _ONE),
            "count": sub("?name?", "how many headers there are, or how many of that name", _SET),
            "exists": sub("name", "whether there is a header of that name", _ONE),
            "insert": sub("name value ?name value ...? | list", "adds headers", (1, None)),
            "replace": sub("name ?value?", "sets a header's value, adding the header if there is none", _NAMED),
            "remove": sub("name", "removes the last header of that name", _ONE),
        },
    ),
    entry(
        "HTTP::cookie",
        "name",
        "the value of a cookie of the request, or of one that the response sets",
        _ONE,
        events=_MESSAGE,
        subcommands={
            "names": sub("", "list of the names of all cookies"),
            "count": sub("", "how many cookies there are"),
            "exists": sub("name", "whether there is a cookie of that name", _ONE),
            "value": sub("name ?value?", "a cookie's value; an argument replaces it", _NAMED),
            "insert": sub(
                "name N value V ?path P? ?domain D? ?version V?", "adds a cookie, in the order given", (4, 10)
            ),
            "remove": sub("name", "removes a cookie", _ONE),
            "path": sub("name ?path?", "where the cookie is valid; an argument sets it", _NAMED),
            "domain": sub("name ?domain?", "for which hosts; an argument sets it", _NAMED),
            "version": sub("name ?version?", "the version; an argument sets it", _NAMED),
            "maxage": sub("name ?seconds?", "how long it lives; an argument sets it", _NAMED),
            "secure": sub("name ?enable|disable?", "whether only TLS carries it; an argument sets it", _NAMED),
            "httponly": sub("name ?enable|disable?", "whether scripts cannot read it; an argument sets it", _NAMED),
        },
    ),
    entry(
        "HTTP::respond",
        "status ?-version 1.0|1.1|auto? ?content text? ?noserver? ?name value ...?",
        "answers the client",
        (1, None),
        events=RESPOND,
    ),
    entry("HTTP::redirect", "url", "answers the client with 302 and a Location", _ONE, events=RESPOND),
    entry("HTTP::has_responded", "", "whether the client was answered already", events=_MESSAGE),
    entry("HTTP::close", "", "closes the client's connection after the response", events=_MESSAGE),
    entry(
        "HTTP::retry",
        "?-reset? request",
        "sends another request instead and runs HTTP_REQUEST for it",
        _ONE,
        options={"-reset": 0},
        events=_RETRY,
        lab=names("HTTP_RESPONSE HTTP_RESPONSE_DATA LB_FAILED"),
    ),
    entry(
        "HTTP::collect",
        "length",
        "collects that many bytes of the body, or all of it if it is shorter, for the *_DATA event",
        (0, 1),
        events=_COLLECT,
        lab=names("HTTP_REQUEST HTTP_RESPONSE HTTP_RESPONSE_DATA"),
    ),
    entry("HTTP::release", "", "lets what was collected go on", events=_COLLECT, lab=_BODY),
    entry(
        "HTTP::payload",
        "?length? | offset length",
        "what was collected, as bytes",
        (0, 2),
        events=_COLLECT,
        lab=_BODY,
        subcommands={
            "length": sub("", "its length in bytes"),
            "replace": sub("offset length text", "replaces bytes of it", (3, 3)),
        },
    ),
)

URI: tuple[Command, ...] = (
    entry("URI::decode", "text", "percent-decodes", _ONE),
    entry("URI::encode", "text", "percent-encodes all but letters, digits and - _ . ~", _ONE),
    entry("URI::path", "uri ?first ?last? | depth?", "the directories of the path, or some of them", (1, 3)),
    entry("URI::basename", "uri", "the last part of the path", _ONE),
    entry("URI::query", "uri ?name?", "the query, or the value of one of its parameters", _NAMED),
    entry("URI::host", "uri", "the host", _ONE),
    entry("URI::protocol", "uri", "the protocol, such as https", _ONE),
    entry("URI::port", "uri", "the port, or the usual one of the protocol", _ONE),
    entry("URI::compare", "uri uri", "whether two URIs mean the same", (2, 2)),
)
