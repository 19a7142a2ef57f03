"""What a caller of a route writes: a small program in each language, complete and ready to run.

Secrets are named by environment variable and never written. Addresses and names are the spec's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from bigip_sm.errors import RenderError
from bigip_sm.render.callers import AUTHORIZATION
from bigip_sm.render.samples import CHAT_PATH, MLFLOW_SAMPLE, sample_of
from bigip_sm.spec.identities import ApiKeyIdentity, ClientCertificateIdentity, JwtIdentity
from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import MlflowUpstream

if TYPE_CHECKING:
    from jinja2 import Environment

Language = Literal["curl", "python", "node"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
SUFFIXES: dict[Language, str] = {"curl": "sh", "python": "py", "node": "js"}
CERTIFICATE = ("CLIENT_CERT and CLIENT_KEY name the PEM files of your client certificate and its key.",)


@dataclass(frozen=True)
class Credential:
    """How a caller proves who it is; ``needs`` says which environment variables hold what."""

    credential: Literal["certificate", "header", "none"]
    needs: tuple[str, ...]
    header: str = ""
    prefix: str = ""
    variable: str = ""


def example(spec: Spec, name: str, language: Language, identity: str | None = None) -> str:
    """A program that calls the route ``name`` as a caller of ``identity`` (default: the first that the route allows).

    Raises RenderError if the route does not allow any caller of that identity.
    """
    route = spec.routes[name]
    listener = spec.listeners[route.listener]
    sample = sample_of(spec, name)
    port = "" if listener.port == 443 else f":{listener.port}"
    url = f"https://{listener.hostnames[0]}{port}{sample.path}"
    openai = sample.method == "POST" and sample.path.endswith(CHAT_PATH)
    credential = _credential(spec, name, identity)
    template = f"example_openai.{language}.j2" if openai and language == "python" else f"example.{language}.j2"
    # MLflow's client sends tokens and keys in Authorization only.
    if isinstance(spec.upstreams[route.upstream], MlflowUpstream) and credential.header in ("", "Authorization"):
        template = "example_mlflow.python.j2" if language == "python" else template
    return (
        _environment()
        .get_template(template)
        .render(
            vars(credential),
            gateway=spec.gateway,
            route=name,
            method=sample.method,
            url=url,
            base_url=url.removesuffix(CHAT_PATH).removesuffix(MLFLOW_SAMPLE),
            model=sample.model,
            body=sample.body,
            headers=sample.headers,
            timeout=spec.upstreams[route.upstream].timeout,
        )
    )


def allowed_identities(spec: Spec, name: str) -> list[str]:
    """The identities that have callers on a route, in the order of its ``allow``."""
    return list(dict.fromkeys(entry.partition(":")[0] for entry in spec.routes[name].allow))


def _credential(spec: Spec, name: str, identity: str | None) -> Credential:
    allowed = allowed_identities(spec, name)
    chosen = allowed[0] if identity is None else identity
    if chosen not in allowed:
        raise RenderError(f"routes.{name}: no caller of {chosen} is allowed; it has callers of {', '.join(allowed)}")
    found = spec.identities[chosen]
    if isinstance(found, ClientCertificateIdentity):
        return Credential("certificate", CERTIFICATE)
    if isinstance(found, JwtIdentity):
        return Credential(
            "header", (f"TOKEN holds your token of {found.issuer}.",), "Authorization", "Bearer ", "TOKEN"
        )
    if isinstance(found, ApiKeyIdentity):
        bearer = found.header == AUTHORIZATION
        header, prefix = ("Authorization", "Bearer ") if bearer else (found.header, "")
        return Credential("header", ("API_KEY holds your API key.",), header, prefix, "API_KEY")
    return Credential("none", ("You are known by the network that you call from.",))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bigip_sm.templates", "."),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - programs, not HTML; every value is bounded by the spec's patterns
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
    )
