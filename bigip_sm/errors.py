"""Every exception that this project raises on purpose, in one tree.

BigipSmError
├── SpecError                gateway.yaml or the inventory is wrong; carries every problem found
├── EditError                gateway.yaml cannot be edited as asked
├── RenderError              the spec is valid but cannot be rendered
├── SchemaError              F5's AS3 schema is missing or unreadable
├── DeviceError              a BIG-IP did not do what was asked
│   ├── DeviceUnreachable    no connection, or the TLS certificate was not accepted
│   ├── DeviceTimeout        no answer in time (also a TimeoutError)
│   ├── AuthenticationFailed the user, the password or the token was refused
│   ├── ObjectNotFound       the object does not exist on the device
│   ├── RequestRefused       the device refused the request; carries its status and message
│   └── DeclarationError     AS3 refused or only partly deployed a declaration
├── CredentialError          AWS credentials could not be had or are not usable
│   ├── SourceError          a source (STS, Secrets Manager) failed
│   └── RecordError          a credential record is not in the documented format
├── AwsError                 AWS did not answer what was asked
├── AuditError               audit records cannot be kept or read
├── PinError                 a file of pins cannot be used
└── LabError                 the lab could not start or was asked for something it does not emulate
    └── RuleError            an iRule does not load, in the words of TMOS

The command line prints the message of any of these as one line (SpecError: one line a problem) and exits 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BigipSmError(Exception):
    """Base class: whatever is raised on purpose by this project derives from it."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a user's file.

    ``file`` and ``line`` (from 1) say where, ``path`` is the dotted path of the value (``routes.chat.allow[0]``),
    empty for the file as a whole; ``message`` says what is wrong and ``fix`` what would be right.
    """

    file: str
    line: int
    path: str
    message: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {place}{self.message}; {self.fix}"


class SpecError(BigipSmError):
    """A user's file is wrong. ``problems`` holds all problems, sorted by line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EditError(BigipSmError):
    """A change of gateway.yaml was asked for that cannot be made."""


class RenderError(BigipSmError):
    """The spec is valid, yet its rendering would not be accepted by AS3 or TMOS."""


class SchemaError(BigipSmError):
    """F5's AS3 schema cannot be found or read."""


class DeviceError(BigipSmError):
    """A BIG-IP did not do what was asked. ``device`` is its name in the inventory or its address."""

    def __init__(self, device: str, message: str) -> None:
        self.device = device
        super().__init__(f"{device}: {message}")


class DeviceUnreachable(DeviceError):
    """No connection could be made, or the TLS certificate was not accepted."""


class DeviceTimeout(DeviceError, TimeoutError):
    """The device did not answer in time."""


class AuthenticationFailed(DeviceError):
    """The device refused the user, the password or the token."""


class ObjectNotFound(DeviceError):
    """The object asked for does not exist on the device."""


class RequestRefused(DeviceError):
    """The device refused a request. ``status`` is the HTTP status."""

    def __init__(self, device: str, status: int, message: str) -> None:
        self.status = status
        super().__init__(device, f"HTTP {status}: {message}")


class DeclarationError(DeviceError):
    """AS3 refused a declaration, or deployed only a part of it."""


class CredentialError(BigipSmError):
    """AWS credentials could not be had, or are not usable."""


class SourceError(CredentialError):
    """A source of credentials (STS, Secrets Manager) failed or answered with something unusable."""


class RecordError(CredentialError):
    """A credential record is not in the documented format. Never carries the record's value."""


class AwsError(BigipSmError):
    """AWS refused a question about the account, or could not be reached."""


class AuditError(BigipSmError):
    """Audit records cannot be kept where they should be, or a file of them cannot be read."""


class PinError(BigipSmError):
    """A file of pins is missing, or is not one."""


class LabError(BigipSmError):
    """The lab could not start, or was asked for something that it does not emulate."""


class RuleError(LabError):
    """An iRule does not load; the message is worded as TMOS words it."""
