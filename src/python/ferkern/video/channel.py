"""What stands between two stages: a queue with little room that gives items in the order of their numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Channel", "Ended", "Stopped"]

T = TypeVar("T")


class Ended(Exception):
    """There is nothing more to come, and everything was taken."""


class Stopped(Exception):
    """The channel was closed for good before its end."""


class Channel(Generic[T]):
    """Items numbered 0, 1, 2, ... by those who put them in, in any order; taken in the order of the numbers.

    An item may be put in when its number is less than `room` above the one that is due, so the one that is due always
    has room: however many workers there are on either side, they cannot lock each other out.

    Parameters
    ----------
    room : int
        Items that may lie here.
    newest : bool
        Nobody waits for room: of the items that are due, one after the other, only the last is kept, and the others
        are counted as `dropped`.
    keep : callable, optional
        Items for which this is true are never dropped.
    """

    def __init__(self, room: int, *, newest: bool = False, keep: Callable[[T], bool] = lambda item: False) -> None:
        self._room = room
        self._newest = newest
        self._keep = keep
        self._items: dict[int, T] = {}
        self._due = 0
        self._ended = self._stopped = False
        lock = threading.RLock()  # the collector may end a video, and so this, in a thread that holds it
        self._filled, self._emptied = threading.Condition(lock), threading.Condition(lock)
        self._waiting: list[Callable[[], None]] = []
        self.taken = 0
        self.dropped = 0

    def put(self, number: int, item: T) -> None:
        """Put an item in; waits for room.

        Raises
        ------
        Stopped
            Nobody will take it.
        """
        with self._emptied:
            while not (self._stopped or self._newest or number < self._due + self._room):
                self._emptied.wait()
            if self._stopped:
                raise Stopped
            self._items[number] = item
            if self._newest:
                self._drop()
            if self._due in self._items:
                self._wake()

    def take(self) -> tuple[int, T]:
        """The item that is due, and how many were taken before it; waits for it.

        Raises
        ------
        Ended, Stopped
        """
        with self._filled:
            while not self._is_ready():
                self._filled.wait()
            return self._next()

    def take_at_once(self, otherwise: Callable[[], None]) -> tuple[int, T] | None:
        """As `take` if that need not wait; else None, and `otherwise` is called, from some thread, when it is time.

        Raises
        ------
        Ended, Stopped
        """
        with self._filled:
            if self._is_ready():
                return self._next()
            self._waiting.append(otherwise)
            return None

    def forget(self, otherwise: Callable[[], None]) -> None:
        """Whoever left `otherwise` with `take_at_once` no longer waits."""
        with self._filled:
            if otherwise in self._waiting:
                self._waiting.remove(otherwise)

    def end(self) -> None:
        """Nothing more will be put in."""
        with self._filled:
            self._ended = True
            self._wake()

    def stop(self) -> None:
        """Close for good: whoever waits, or comes, gets `Stopped`. What lies here stays and is counted by `len`."""
        with self._filled:
            self._stopped = True
            self._wake()
            self._emptied.notify_all()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def left(self) -> list[T]:
        """What lies here."""
        with self._filled:
            return list(self._items.values())

    def _is_ready(self) -> bool:
        return self._stopped or self._ended or self._due in self._items

    def _next(self) -> tuple[int, T]:
        if self._stopped:
            raise Stopped
        if self._due not in self._items:
            raise Ended
        item = self._items.pop(self._due)
        self._due += 1
        ticket, self.taken = self.taken, self.taken + 1
        self._emptied.notify_all()
        if self._due in self._items:
            self._filled.notify()  # several may have come while one was awaited
        return ticket, item

    def _drop(self) -> None:
        while self._due in self._items and self._due + 1 in self._items and not self._keep(self._items[self._due]):
            del self._items[self._due]
            self._due += 1
            self.dropped += 1

    def _wake(self) -> None:
        self._filled.notify_all()
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
