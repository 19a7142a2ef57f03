"""``python -m rotator.writer GATEWAY ROLE`` writes the files that a deployment of the writer is made from."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bigip_sm.aws.policy import rotator_policy, session_policy, trust_policy, writer_policy
from bigip_sm.errors import BigipSmError
from bigip_sm.spec import load
from bigip_sm.spec.model import Spec
from rotator.writer.archive import archive

NAME = "bigip-sm-writer"
"""Name of the function and of its own role, as the deploy page has it."""

LAMBDA_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
"""Trust policy of the function's own role: Lambda may run with it."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("gateway", type=click.Path(path_type=Path))
@click.argument("role")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("writer"),
    show_default=True,
    help="folder that the files are written to",
)
@click.option("--external-id", metavar="ID", help="sts:ExternalId that the role is to ask for")
@click.option("--kms-key", metavar="ARN", help="key of the secret, if it is not Secrets Manager's own")
def cli(gateway: Path, role: str, output: Path, external_id: str | None, kms_key: str | None) -> None:
    """Write what the function that keeps the secret of ROLE fresh is deployed from: its code and its policies.

    \b
      python -m rotator.writer gateway.yaml classifier --output writer
    """
    spec = load(gateway)
    if role not in spec.roles:
        raise click.UsageError(f"{gateway} has no role {role!r}; it has {', '.join(spec.roles)}")
    documents = deployment(spec, role, external_id=external_id, kms_key=kms_key)
    output.mkdir(parents=True, exist_ok=True)
    (output / "writer.zip").write_bytes(archive())
    for name, document in documents.items():
        (output / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    click.echo(f"wrote {', '.join(['writer.zip', *documents])} to {output}")


def deployment(
    spec: Spec, role: str, *, external_id: str | None = None, kms_key: str | None = None
) -> dict[str, dict[str, Any]]:
    """The JSON files of a deployment, by name. Raises CredentialError if the source of ``role`` is no secret."""
    _, partition, _, _, account, _ = spec.roles[role].arn.split(":", 5)
    policy = writer_policy(spec, role, kms_key=kms_key)
    variables = {
        "ROLE_ARN": spec.roles[role].arn,
        "SECRET_ID": spec.roles[role].source.model_dump()["secret"],
        "SESSION_POLICY": session_policy(spec, role),
        **({"EXTERNAL_ID": external_id} if external_id else {}),
    }
    writer = f"arn:{partition}:iam::{account}:role/{NAME}"
    return {
        "writer-trust.json": LAMBDA_TRUST,
        "writer-policy.json": policy,
        "role-trust.json": trust_policy(spec, role, writer, external_id=external_id),
        "rotator-policy.json": rotator_policy(spec, kms_key=kms_key) or {},
        "environment.json": {"Variables": variables},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 1 for anything wrong."""
    try:
        cli.main(args=None if argv is None else list(argv), prog_name="python -m rotator.writer", standalone_mode=False)
    except click.ClickException as error:
        problem = error.format_message()
    except BigipSmError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    else:
        return 0
    for line in problem.splitlines():
        click.echo(f"error: {line}", err=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
