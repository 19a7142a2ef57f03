"""Reasons for refusals that belong to one kind of upstream."""

from __future__ import annotations

from bigip_sm.render.reason import Reason

KINDS = (
    Reason(
        "messages-invalid",
        400,
        "messages is no conversation that this model takes",
        "`messages` is missing or empty, or one of them has no role or no text. Models with the "
        "templates `mistral` and `falcon` take one system message at the beginning, and then users and the model "
        "in turn, from a user to a user.",
        "caller",
        "Look at `messages` in the body.",
        "generate",
    ),
    Reason(
        "parameter-not-supported",
        400,
        "the model behind this route cannot do what a parameter asks for, or the value is out of its bounds",
        "The container of the model takes text and a few numbers. `param` in the answer names what it does not have, "
        "such as `tools`, `logprobs`, `response_format` or images in `messages`, or what has a value that it would "
        "refuse.",
        "caller",
        "Leave out the parameter that `param` names; docs/upstreams.md has the list.",
        "generate",
    ),
    Reason(
        "control-token",
        400,
        "a message holds what the model would take for the mark of a turn",
        "A text in `messages` has one of the marks of the model's prompts, such as `<|eot_id|>` or `[/INST]`. Whoever "
        "can write one can pretend to be somebody else in the conversation.",
        "caller",
        "Take the mark out of the text before it is sent.",
        "generate",
    ),
    Reason(
        "header-not-allowed",
        400,
        "a header has a value that this route does not allow",
        "An X-Amzn-SageMaker- header that the route's upstream takes from callers has a value that is not listed.",
        "caller",
        "Compare the header with `client_headers` of the upstream in gateway.yaml.",
        "target",
    ),
    Reason(
        "operation-not-allowed",
        403,
        "this operation is not allowed on this route",
        "The path or X-Amz-Target names an operation that the route's upstream does not list.",
        "owner of the gateway",
        "Compare it with `operations` or `methods` of the upstream in gateway.yaml.",
        "target",
    ),
    Reason(
        "model-not-served",
        404,
        "this model, or version of it, is not served on this route",
        "The path or the body names a model or a version that the route's upstream does not list, or names none.",
        "caller",
        "Compare it with `models`, or with `chat.alias`, of the upstream in gateway.yaml.",
        "target translate",
    ),
    Reason(
        "status-not-available",
        404,
        "the status of a model cannot be asked for through SageMaker",
        "TensorFlow Serving tells the state and the metadata of a model on GET; SageMaker has no such operation.",
        "caller",
        "Send a prediction instead.",
        "target",
    ),
    Reason(
        "tensorflow-content-type",
        415,
        "send application/json, application/jsonlines, application/jsons or text/csv",
        "The TensorFlow Serving container of SageMaker takes these four content types only.",
        "caller",
        "Look at the Content-Type header of the request with `curl -v`.",
        "target",
    ),
    Reason(
        "stream-invalid",
        502,
        "the stream of the model was damaged",
        "A message of AWS's event stream has a wrong checksum, is malformed, or larger than 1 MiB. What came before it "
        "was passed on.",
        "owner of the gateway",
        "Ask again; look at what stands between the BIG-IP and the VPC endpoint.",
        "reframe",
    ),
    Reason(
        "model-stream-failed",
        502,
        "the model ended its stream with an error",
        "AWS's event stream has an exception in place of the rest: the model broke off or took too long.",
        "owner of the model",
        "The log of the endpoint's container in CloudWatch.",
        "reframe",
    ),
)
"""In the order of their status."""
