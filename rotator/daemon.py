"""``bigip-sm-rotator run``: the loop around the engine, and what the outside says to it."""

from __future__ import annotations

import contextlib
import datetime
import logging
import queue
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import schedule

from bigip_sm.bigip.inventory import Inventory
from bigip_sm.errors import BigipSmError, SpecError
from bigip_sm.spec.model import Spec
from rotator.engine import Engine
from rotator.fleet import units_of
from rotator.notify import Notifier
from rotator.store import Store, default_folder
from rotator.telemetry import Counters, Endpoint

logger = logging.getLogger(__name__)

TICK = 1
"""Seconds between two ticks of the engine."""

_HANDLED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
_JUMP = 2.0
"""Seconds by which the time of day must jump to be noticed."""

_INTERRUPTED = 130


@dataclass(frozen=True)
class Settings:
    """How to run. ``read`` gives both files' contents anew; ``interval`` and ``deadline`` are seconds."""

    gateway: Path
    devices: Path
    read: Callable[[], tuple[Spec, Inventory]]
    rotator: str
    state: Path | None
    interval: float
    deadline: float
    port: int
    notifier: Notifier = field(default_factory=Notifier)


def run(settings: Settings) -> int:
    """Run until SIGTERM (exit code 0) or Ctrl-C (130). Raises SpecError, OSError, if it cannot begin."""
    spec, inventory = settings.read()
    counters = Counters()
    engine = Engine(
        spec,
        units_of(inventory),
        Store(settings.state or default_folder(), spec.gateway),
        rotator=settings.rotator,
        counters=counters,
        interval=settings.interval,
        deadline=settings.deadline,
    )
    counters.show(engine.board)
    # SimpleQueue.put may be called in a signal handler, whatever it interrupts.
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    with _handled(signals), contextlib.closing(Endpoint(settings.port, counters.text, engine.health)) as endpoint:
        logger.info("metrics and health on http://127.0.0.1:%d", endpoint.port)
        engine.tick()
        settings.notifier.ready(engine.summary())
        last = _Loop(settings, engine).until_stopped(signals)
        settings.notifier.stopping()
        engine.stop()
    return 0 if last == signal.SIGTERM else _INTERRUPTED


class _Loop:
    """Runs the jobs of ``schedule`` and answers signals."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._scheduler = schedule.Scheduler()
        self._broken = False
        self._arrange()

    def until_stopped(self, signals: queue.SimpleQueue[int]) -> int:
        """Go on until a signal ends it; returns that signal."""
        offset = _offset()
        while True:
            # The scheduler goes by the time of day. When that jumps (NTP, daylight saving), it must begin anew.
            if abs(_offset() - offset) > _JUMP:
                offset = _offset()
                self._arrange()
            self._scheduler.run_pending()
            with contextlib.suppress(queue.Empty):
                number = signals.get(timeout=min(max(self._scheduler.idle_seconds or 0.0, 0.01), TICK))
                if number in (signal.SIGTERM, signal.SIGINT):
                    return number
                (self._reload if number == signal.SIGHUP else self._engine.rotate_now)()
                self._tick()

    def _arrange(self) -> None:
        self._scheduler.clear()
        self._scheduler.every(TICK).seconds.do(self._tick)
        watchdog = self._settings.notifier.watchdog
        self._scheduler.every(max(1, int((watchdog or 30) / 3))).seconds.do(self._feed)

    def _tick(self) -> None:
        """One tick. A defect in it must not end the loop; the watchdog does, if it happens each time."""
        try:
            self._engine.tick()
            self._broken = False
        except Exception as error:
            if not self._broken:
                logger.error("a tick failed with %s; this is a defect of bigip-sm-rotator", type(error).__name__)
            self._broken = True

    def _feed(self) -> None:
        """Tell systemd that we live, as long as ticks come to their end."""
        if time.monotonic() - self._engine.last_tick < (self._settings.notifier.watchdog or 30) / 2:
            self._settings.notifier.alive(self._engine.summary())

    def _reload(self) -> None:
        """Read both files again. If one is broken, everything stays as it was."""
        notifier = self._settings.notifier
        notifier.reloading()
        try:
            spec, inventory = self._settings.read()
            self._engine.load(spec, units_of(inventory))
            logger.info("%s and %s read again", self._settings.gateway, self._settings.devices)
        except SpecError as error:
            for problem in error.problems:
                logger.error("not reloaded, the old configuration stays: %s", problem)
        except (BigipSmError, OSError) as error:
            logger.error("not reloaded, the old configuration stays: %s", error)
        notifier.ready(self._engine.summary())


@contextlib.contextmanager
def _handled(signals: queue.SimpleQueue[int]) -> Iterator[None]:
    """Within the block, signals come into the queue instead of doing what they do by themselves."""

    def handler(number: int, frame: FrameType | None) -> None:
        signals.put(number)

    before = {number: signal.signal(number, handler) for number in _HANDLED}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _offset() -> float:
    """What lies between the time of day here and the clock that never jumps, seconds."""
    return (datetime.datetime.now() - datetime.datetime(1970, 1, 1)).total_seconds() - time.monotonic()
