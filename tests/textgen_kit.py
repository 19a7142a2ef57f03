"""A gateway for OpenAI clients whose models take prompts, one for each template; and text generation by itself."""

from __future__ import annotations

from kinds_kit import ENDPOINT, route

_HEAD = """
version: 1
gateway: textgen
owner: tests@example.com
listeners:
  public:
    address: 10.20.0.41
    hostnames: [models.example.com]
    tls:
      certificate: /Common/models.crt
      key: /Common/models.key
      client_certificate: {ca: /Common/clients-ca.crt}
identities:
  staff: {type: client-certificate, subject: common-name}
roles:
  models:
    arn: arn:aws:iam::123456789012:role/bigip-models
    source: {type: secrets-manager, secret: bigip/models}
"""
_REGIONS = f"[{{name: us-east-1, vpc_endpoint: {ENDPOINT}.runtime.sagemaker.us-east-1.vpce.amazonaws.com}}]"


def upstream(name: str, more: str) -> str:
    """An upstream whose endpoint has its name."""
    return f"""
  {name}:
    kind: sagemaker
    endpoint: {name}
    format: text-generation
    role: models
    {more}
    regions: {_REGIONS}
"""


SPEC = f"{_HEAD}upstreams:\n" + "".join(
    upstream(*entry)
    for entry in (
        ("llama", "chat: {alias: jumpstart-llama-3-1-8b, defaults: {temperature: 0.5, max_tokens: 64}}"),
        ("mistral", "chat: {alias: jumpstart-mixtral-8x7b}"),
        ("falcon", "chat: {alias: jumpstart-falcon-40b}"),
        ("qwen", "prompt_template: chatml"),
        ("capped", "prompt_template: chatml"),
        ("guarded", "prompt_template: chatml"),
    )
)
SPEC += f"""
  models: {{kind: model-list}}
  plain: {{kind: sagemaker, endpoint: plain, role: models, regions: {_REGIONS}}}
guards:
  private:
    version: 1
    chain:
      - {{type: pii, find: [EMAIL], action: redact}}
routes:
"""
SPEC += "".join(route(name, f"/{name}/v1/chat/completions", name) for name in ("llama", "mistral", "falcon", "qwen"))
SPEC += route("models", "/openai/v1/models", "models", methods="GET")
SPEC += route("plain", "/plain", "plain")
SPEC += route("capped", "/capped/v1/chat/completions", "capped").replace(
    "{body: 256KiB}", "{body: 256KiB, max_tokens: 50, tokens: 100000/minute}"
)
SPEC += route(
    "guarded",
    "/guarded/v1/chat/completions",
    "guarded",
    more="\n    guards: [private]\n    shape: {fields: [id, object, choices]}",
)
