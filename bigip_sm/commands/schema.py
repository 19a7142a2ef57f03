"""``bigip-sm schema``: the JSON Schema of gateway.yaml, and F5's schema of AS3 declarations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click

from bigip_sm.console import print_json
from bigip_sm.errors import SchemaError

VERSION = "3.56.0"
URL = f"https://raw.githubusercontent.com/F5Networks/f5-appsvcs-extension/main/schema/{VERSION}/as3-schema.json"
"""Where F5 publishes the schema (repository F5Networks/f5-appsvcs-extension, folder schema)."""

SHA256 = "32036748396aa5da6131d1441d3928d03320daae78eb4ce50d3b98e03345deb7"
"""Digest of the file that this version of bigip-sm was tested with."""

IDENTIFIER = "urn:uuid:85626792-9ee7-46bb-8fc8-4ba708cfdc1d"
"""The ``$id`` of F5's schema, the same in every version."""

LARGEST = 16 * 1024**2
"""Bytes read from a URL at most; the schema has 1.2 MB."""


@click.group("schema", short_help="Print the schema of gateway.yaml or of audit records; fetch F5's AS3 schema.")
def command() -> None:
    """Print the schema of gateway.yaml or of audit records; fetch F5's AS3 schema."""


@command.command("spec")
def spec() -> None:
    """Print the JSON Schema of gateway.yaml, for editors and other tools.

    \b
    Examples:
      bigip-sm schema spec > gateway.schema.json
    In gateway.yaml, for editors that use the YAML language server:
      # yaml-language-server: $schema=gateway.schema.json
    """
    from bigip_sm.spec import json_schema

    print_json(json_schema())


@command.command("audit")
def audit() -> None:
    """Print the JSON Schema of an audit record, for whoever stores or reads them.

    \b
    Example:
      bigip-sm schema audit > audit-record.schema.json
    """
    from bigip_sm.audit.record import AuditRecord

    print_json(AuditRecord.model_json_schema())


@command.command("fetch")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="a copy that is already on this machine",
)
@click.option("--url", metavar="URL", help="an https address of your own, such as an internal mirror")
@click.option("--any-version", is_flag=True, help=f"accept another version than the tested {VERSION}")
def fetch(source: Path | None, url: str | None, any_version: bool) -> None:
    """Get F5's AS3 schema, so that validate can use it.

    The schema is F5's file and not part of bigip-sm. Without an option it is downloaded from F5's public repository.
    It is kept in your cache directory if it is the very file that bigip-sm was tested with (by its SHA-256);
    with --any-version any schema that carries F5's identifier is kept.

    \b
    Examples:
      bigip-sm schema fetch
      bigip-sm schema fetch --from as3-schema-3.56.0.json
      bigip-sm schema fetch --url https://mirror.example.com/as3-schema.json
    Without fetching: BIGIP_SM_AS3_SCHEMA=as3-schema-3.56.0.json bigip-sm validate gateway.yaml
    """
    from bigip_sm.commands.render import write_files
    from bigip_sm.lint import cached_schema

    if source and url:
        raise click.UsageError("--from and --url exclude each other")
    origin = str(source) if source else url or URL
    content = source.read_bytes() if source else _download(origin)
    check(content, origin, any_version=any_version)
    target = cached_schema()
    write_files(target.parent, {target.name: content.decode()})
    click.echo(f"kept {origin} as {target}")


def check(content: bytes, origin: str, *, any_version: bool) -> None:
    """Raise SchemaError unless ``content`` is F5's AS3 schema (the tested file, or ``any_version`` of it)."""
    digest = hashlib.sha256(content).hexdigest()
    if digest == SHA256:
        return
    try:
        document = json.loads(content)
    except ValueError:
        raise SchemaError(f"{origin}: not JSON; expected F5's as3-schema.json of AS3 {VERSION}") from None
    if not isinstance(document, dict) or document.get("$id") != IDENTIFIER:
        raise SchemaError(f"{origin}: not F5's AS3 schema; its $id would be {IDENTIFIER}")
    if not any_version:
        raise SchemaError(
            f"{origin}: F5's AS3 schema, but not the tested file of {VERSION} (SHA-256 {digest}, expected {SHA256}); "
            "use --any-version to keep it all the same"
        )


def _download(url: str) -> bytes:
    import httpx

    if not url.startswith("https://"):
        raise SchemaError(f"{url}: only https addresses are fetched")
    content = bytearray()
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=30) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > LARGEST:
                    raise SchemaError(f"{url}: more than {LARGEST} bytes, so not F5's AS3 schema")
    except httpx.HTTPError as error:
        raise SchemaError(
            f"{url}: {error or type(error).__name__}; download it elsewhere and use: bigip-sm schema fetch --from FILE"
        ) from None
    return bytes(content)
