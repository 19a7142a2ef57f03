"""What the lab's own process and its worker processes say to each other, over a pipe each way.

A message is four bytes of length and a pickled dataclass. Both ends are the same program on the same machine, and
nobody else has the pipe.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from bigip_sm.lab.bigip.objects import Object

_LENGTH = struct.Struct("!I")

Destination = tuple[str, int]
"""Host and port as the configuration spells them."""


@dataclass(frozen=True)
class Start:
    """To a worker, first: what to run. ``first_tmm`` is the number of its first TMM."""

    objects: tuple[Object, ...] = field(repr=False)
    destinations: Mapping[Destination, int]
    ports: Mapping[Destination, int]
    first_tmm: int
    tmms: int
    data_group_delay: float
    clock_offset: float
    rule_limit: float


@dataclass(frozen=True)
class Commit:
    """To a worker: a commit of the configuration, and the local port of every virtual server."""

    put: tuple[Object, ...] = field(repr=False)
    delete: tuple[Object, ...] = field(repr=False)
    ports: Mapping[Destination, int]


@dataclass(frozen=True)
class Route:
    """Both ways: (host, port) is served on ``local_port`` from now on, or by nobody any more (None)."""

    host: str
    port: int
    local_port: int | None


@dataclass(frozen=True)
class ClockOffset:
    """To a worker: seconds that its rules' clock is ahead."""

    seconds: float


@dataclass(frozen=True)
class Ask:
    """To a worker: answer when everything is settled; with a ``pool`` its member states are wanted."""

    number: int
    pool: str = ""


@dataclass(frozen=True)
class Answer:
    """From a worker: to the Ask of that number; Start is number 0."""

    number: int
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LogLine:
    """From a worker: a line of /var/log/ltm."""

    text: str


@dataclass(frozen=True)
class Failed:
    """From a worker, last: why it cannot go on."""

    reason: str


Message = Start | Commit | Route | ClockOffset | Ask | Answer | LogLine | Failed


def encode(message: Message) -> bytes:
    """The bytes for the pipe."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None when the other end has gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        message: Message = pickle.loads(await reader.readexactly(length))  # noqa: S301 - our own process wrote it
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message
