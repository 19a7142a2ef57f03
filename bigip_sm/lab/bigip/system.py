"""What a BIG-IP knows about itself: its version, its licence for modules, and its saved configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bigip_sm.errors import LabError
from bigip_sm.lab.bigip.config import Config
from bigip_sm.lab.bigip.objects import Object
from bigip_sm.lab.bigip.partitions import Folder, Folders

DEFAULT_VERSION = "17.1.1"

MODULES = ("afm", "am", "apm", "asm", "avr", "cgnat", "dos", "fps", "gtm", "ilx", "ltm", "pem", "sslo", "swg")
"""The modules that ``sys provision`` lists."""

_VERSION = re.compile(r"\d{1,2}(\.\d{1,2}){1,4}")


class System:
    """Version, modules and saved configuration of one unit. Raises LabError for what is no version or module.

    Running and saved configuration are two things: a restart brings back what was saved last.
    """

    def __init__(
        self, config: Config, folders: Folders, *, hostname: str, version: str, provisioned: Sequence[str]
    ) -> None:
        if not _VERSION.fullmatch(version):
            raise LabError(f"{version!r} is no TMOS version; one would be {DEFAULT_VERSION}")
        if unknown := set(provisioned) - set(MODULES):
            raise LabError(f"{min(unknown)!r} is no module of TMOS; there are: {', '.join(MODULES)}")
        self.hostname = hostname
        self.version = version
        self.provisioned = tuple(provisioned)
        self.config = config
        self.folders = folders
        self._saved: tuple[tuple[Object, ...], tuple[Folder, ...]] = ((), ())

    @property
    def version_numbers(self) -> tuple[int, ...]:
        """The version as numbers, to compare."""
        return tuple(map(int, self.version.split(".")))

    def save(self) -> None:
        """Write the running configuration to disk."""
        self._saved = self.config.objects(), tuple(self.folders.all())

    def load(self) -> None:
        """Make the running configuration what was saved last."""
        objects, folders = self._saved
        saved = Config()
        saved.commit(put=objects)
        put, delete = self.config.difference(saved)
        self.folders.restore(folders)
        self.config.commit(put=put, delete=delete)
