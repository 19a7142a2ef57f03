"""From the spec to the AS3 declaration, the iRule text and the list of data groups.

Everything here is pure: no file is read but the package's own templates, nothing is written, no clock is asked. The
same spec renders to the same bytes.
"""

from bigip_sm.render.declaration import SCHEMA_VERSION, render
from bigip_sm.render.result import DataGroupSpec, Rendered, declaration_text, files, manifest_text

__all__ = [
    "SCHEMA_VERSION",
    "DataGroupSpec",
    "Rendered",
    "declaration_text",
    "files",
    "manifest_text",
    "render",
]
