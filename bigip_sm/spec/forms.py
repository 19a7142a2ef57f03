"""Words for error messages: how the values of a field are called, and what a wrong one could have been."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bigip_sm.spec.positions import quoted


@dataclass(frozen=True)
class Form:
    """Annotation of a type in a model: what its values are called, by which rule they are written, and one of them.

    ``Annotated[str, Field(pattern=...), Form("a name", "2 to 41 lower-case letters", "public")]`` makes a value that
    does not match the pattern read ``"X" is not a name; write 2 to 41 lower-case letters, such as public``. ``unit``
    is what the number counts, ``bytes`` or ``seconds``. With ``secret`` a wrong value is never shown.
    """

    noun: str
    rule: str
    example: str
    unit: str = ""
    secret: bool = False


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Join names for a message: ``a, b, c``. A long list is cut."""
    some = [name if len(name) <= 64 else f"{name[:61]}..." for name in itertools.islice(names, limit + 1)]
    return ", ".join(some if len(some) <= limit else [*some[:limit], "..."])


def choices(names: Iterable[str]) -> str:
    """Join alternatives for a message: ``a, b or c``."""
    *first, last = list(names)
    return f"{', '.join(first)} or {last}" if first else last


class Suggester:
    """Finds the known name that a wrong one was probably meant to be.

    Every wrong name is compared with every known one, so one run gets at most ``budget`` comparisons to stay linear;
    after that, nothing is suggested.
    """

    def __init__(self, budget: int = 20_000) -> None:
        self._budget = budget

    def nearest(self, wrong: str, names: Collection[str]) -> str | None:
        """Return the one of ``names`` that looks most like ``wrong``, or None."""
        self._budget -= len(names)
        if self._budget < 0 or len(wrong) > 100 or not any(map(str.isalpha, wrong)):
            return None
        folded = {name.casefold().replace("-", "_"): name for name in reversed(list(names))}
        found = difflib.get_close_matches(wrong.casefold().replace("-", "_"), list(folded), 1, 0.65)
        return folded[found[0]] if found else None

    def advice(self, wrong: str, names: Collection[str], plural: str) -> str:
        """Return the fix for a name that does not exist: ``did you mean "chat"? (roles: chat, classifier)``."""
        known = f"{plural}: {listed(names)}" if names else f"there are no {plural}"
        nearest = self.nearest(wrong, names)
        return (
            f"did you mean {quoted(nearest)}? ({known})" if nearest else f"write one of the {known}" if names else known
        )
