"""The writer: an AWS Lambda function that keeps a session of a role in a secret, for the source ``secrets-manager``.

The package imports nothing of this project, so that it can be deployed alone: Lambda brings boto3 along.
"""

from __future__ import annotations

from rotator.writer.function import handler

__all__ = ["handler"]
