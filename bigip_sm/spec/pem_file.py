"""A PEM file that is named in gateway.yaml; ``pem`` reads it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from bigip_sm.spec.scalars import Model


class PemFile(Model):
    """A file with certificates in PEM form."""

    file: str = Field(description="Path of a PEM file, relative to gateway.yaml")
    # Filled in by the loader: the certificates in the file.
    text: SkipJsonSchema[str] = Field(default="", exclude=True, repr=False)

    @field_validator("text", mode="before")
    @classmethod
    def _only_the_loader(cls, value: Any, info: ValidationInfo) -> Any:
        if info.mode == "json":  # files are validated as JSON; code may set the text
            raise PydanticCustomError("extra_forbidden", "Extra inputs are not permitted")
        return value
