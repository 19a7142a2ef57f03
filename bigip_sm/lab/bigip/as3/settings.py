"""AS3's settings: ``GET`` and ``POST /mgmt/shared/appsvcs/settings``.

Facts: AS3's ``src/lib/settingsHandler.js``, ``config.js`` and ``schema/latest/settings-schema.json``. A POST is filled
up with the schema's defaults first, so it sets whatever it does not name back to its default.
"""

from __future__ import annotations

from typing import Any

from bigip_sm.lab.bigip.replies import Json, Refusal, not_emulated

DEFAULTS: Json = {
    "asyncTaskStorage": "data-group",
    "perAppDeploymentAllowed": True,
    "burstHandlingEnabled": False,
    "performanceTracingEnabled": False,
    "performanceTracingEndpoint": "",
    "serializeFileUploads": False,
    "serviceDiscoveryEnabled": True,
    "encodeDeclarationMetadata": False,
    "webhook": "",
}
"""Every setting and its default."""

_STORAGES = ("data-group", "memory")


class Settings:
    """The settings in force."""

    def __init__(self) -> None:
        self._values = dict(DEFAULTS)

    def as_json(self) -> Json:
        """What GET shows."""
        return dict(self._values)

    def replace(self, body: Any) -> Json:
        """POST: whatever is not named goes back to its default. Raises Refusal (422, 501)."""
        if not isinstance(body, dict):
            raise _invalid("", "type", "should be object")
        for name, value in body.items():
            if name not in DEFAULTS:
                raise _invalid("", "additionalProperties", "should NOT have additional properties")
            kind = type(DEFAULTS[name])
            if type(value) is not kind:
                word = "boolean" if kind is bool else "string"
                raise _invalid(f".{name}", "type", f"should be {word}")
        if body.get("asyncTaskStorage", _STORAGES[0]) not in _STORAGES:
            raise _invalid(".asyncTaskStorage", "enum", "should be equal to one of the allowed values")
        if body.get("performanceTracingEnabled"):
            message = "Performance tracing cannot be enabled unless the jaeger client is installed"
            raise Refusal(422, message)
        if body.get("webhook"):
            raise not_emulated("a webhook")
        self._values = {**DEFAULTS, **body}
        return self.as_json()

    @property
    def tasks_in_data_group(self) -> bool:
        """Whether tasks outlive a restart of restnoded."""
        return bool(self._values["asyncTaskStorage"] == "data-group")

    @property
    def per_app_allowed(self) -> bool:
        """Whether applications can be deployed one by one."""
        return bool(self._values["perAppDeploymentAllowed"])

    @property
    def burst_handling(self) -> bool:
        """Whether requests queue up instead of failing while another is at work."""
        return bool(self._values["burstHandlingEnabled"])

    @property
    def encode_metadata(self) -> bool:
        """Whether record 0 of a stored declaration is compressed."""
        return bool(self._values["encodeDeclarationMetadata"])


def _invalid(path: str, keyword: str, message: str) -> Refusal:
    """ajv's errors as they are, not formatted as elsewhere."""
    errors = [{"keyword": keyword, "dataPath": path, "message": message}]
    return Refusal(422, "declaration is invalid", errors=errors)
