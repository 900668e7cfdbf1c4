"""Work on a stream of things in a few threads, ahead of the consumer, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ferkern import _core

__all__ = ["ahead"]

_WAITING = 2  # results that may lie ready beyond one for each thread: so many absorb a picture that takes long

S = TypeVar("S")
T = TypeVar("T")


def ahead(
    work: Callable[[S, str], T], sources: Iterable[S], *, workers: int | None = None
) -> Iterator[tuple[S, T | None, Exception | None]]:
    """Call ``work(source, name)`` for every source, ``name`` being ``source[i]``, and give the results in order.

    At most `workers` + 2 sources are under way or wait for the consumer. The caller's `ferkern.config` holds in the
    threads too, except that each kernel runs in one thread.

    Parameters
    ----------
    work : callable
    sources : iterable
        Taken as they are needed, in the consumer's thread.
    workers : int, optional
        Threads; None: as many as the process may use.

    Yields
    ------
    (source, result, None), or (source, None, error) where `work` raised OSError, ValueError, TypeError or MemoryError

    Raises
    ------
    ValueError
        `workers` is below 1.
    Exception
        Anything else that `work` raises, in the order of sources.
    """
    isa, exact, kernel, threads, strict = _core.get_choice()
    count = workers if workers is not None else threads or _core.default_threads()
    if count < 1:
        raise ValueError(f"workers must be at least 1, is {count}")
    pool = ThreadPoolExecutor(count, "ferkern", initializer=_core.set_choice, initargs=(isa, exact, kernel, 1, strict))
    under_way: deque[tuple[S, Future[T]]] = deque()
    try:
        for index, source in enumerate(sources):
            under_way.append((source, pool.submit(work, source, f"source[{index}]")))
            if len(under_way) >= count + _WAITING:
                outcome = _outcome(under_way.popleft())
                yield outcome
        while under_way:
            remaining = _outcome(under_way.popleft())
            yield remaining
    finally:  # also when the consumer stops early or is interrupted: what has not begun is dropped
        pool.shutdown(wait=True, cancel_futures=True)


def _outcome(due: tuple[S, Future[T]]) -> tuple[S, T | None, Exception | None]:
    source, future = due
    try:
        result = future.result()
    except (OSError, ValueError, TypeError, MemoryError) as error:
        return source, None, error
    return source, result, None
