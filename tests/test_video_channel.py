"""The queue between two stages: order, room, dropping, and its end, also under many threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest

from ferkern.video.channel import Channel, Ended, Stopped


def test_gives_items_in_the_order_of_their_numbers() -> None:
    channel: Channel[str] = Channel(3)
    for number, item in ((2, "c"), (0, "a"), (1, "b")):
        channel.put(number, item)
    assert [channel.take() for _ in range(3)] == [(0, "a"), (1, "b"), (2, "c")]


def test_what_was_put_in_before_the_end_is_still_given() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(0, 10)
    channel.end()
    assert channel.take() == (0, 10)
    for _ in range(2):
        with pytest.raises(Ended):
            channel.take()


def test_put_waits_for_room() -> None:
    channel: Channel[int] = Channel(2)
    done = threading.Event()

    def put() -> None:
        for number in range(3):
            channel.put(number, number)
        done.set()

    thread = threading.Thread(target=put)
    thread.start()
    assert not done.wait(0.05)
    assert len(channel) == 2
    channel.take()
    assert done.wait(5)
    thread.join()


def test_the_item_that_is_due_always_has_room() -> None:
    """Two workers, room for one: the one that is ahead waits, the one that is due does not."""
    channel: Channel[int] = Channel(1)
    ahead = threading.Thread(target=channel.put, args=(1, 1))
    ahead.start()
    channel.put(0, 0)
    assert [channel.take()[1], channel.take()[1]] == [0, 1]
    ahead.join(5)
    assert not ahead.is_alive()


def test_newest_keeps_the_last_and_counts_the_others() -> None:
    channel: Channel[int] = Channel(1, newest=True)
    for number in range(5):
        channel.put(number, number)
    assert channel.take() == (0, 4)
    assert (channel.dropped, channel.taken) == (4, 1)
    channel.put(6, 6)  # 5 is still on its way
    channel.put(5, 5)
    assert channel.take() == (1, 6)
    assert channel.dropped == 5


def test_newest_never_drops_what_is_to_be_kept() -> None:
    channel: Channel[str] = Channel(1, newest=True, keep=lambda item: item == "error")
    for number, item in enumerate(("a", "error", "b", "c")):
        channel.put(number, item)
    assert channel.take() == (0, "error")
    assert channel.dropped == 1


def test_stop_wakes_everybody() -> None:
    channel: Channel[int] = Channel(1)
    seen: list[type] = []

    def expect(call: Callable[[], object]) -> None:
        try:
            call()
        except (Stopped, Ended) as error:
            seen.append(type(error))

    channel.put(0, 0)
    putter = threading.Thread(target=expect, args=(lambda: channel.put(1, 1),))
    empty: Channel[int] = Channel(1)
    taker = threading.Thread(target=expect, args=(empty.take,))
    putter.start()
    taker.start()
    time.sleep(0.02)
    channel.stop()
    empty.stop()
    putter.join(5)
    taker.join(5)
    assert seen == [Stopped, Stopped]
    assert channel.left == [0]


def test_whoever_does_not_wait_is_told() -> None:
    channel: Channel[int] = Channel(1)
    told: list[int] = []
    assert channel.take_at_once(lambda: told.append(1)) is None
    channel.put(0, 7)
    assert told == [1]
    assert channel.take_at_once(lambda: told.append(2)) == (0, 7)
    assert channel.take_at_once(lambda: told.append(3)) is None
    channel.end()
    assert told == [1, 3]
    with pytest.raises(Ended):
        channel.take_at_once(lambda: None)


def test_whoever_no_longer_waits_is_not_told() -> None:
    channel: Channel[int] = Channel(1)
    told: list[int] = []

    def tell() -> None:
        told.append(1)

    assert channel.take_at_once(tell) is None
    channel.forget(tell)
    channel.forget(tell)
    channel.put(0, 7)
    assert told == []


@pytest.mark.parametrize("room", [1, 3])
def test_many_workers_keep_the_order(room: int) -> None:
    """5 workers between two channels, each taking a random time: 1,000 items come out as they went in."""
    inlet: Channel[int] = Channel(room)
    outlet: Channel[int] = Channel(room)
    count, left = 1000, 5
    lock = threading.Lock()

    def work() -> None:
        nonlocal left
        rng = random.Random(threading.get_ident())
        try:
            while True:
                ticket, item = inlet.take()
                if rng.random() < 0.02:
                    time.sleep(rng.random() * 1e-3)
                outlet.put(ticket, item)
        except Ended:
            with lock:
                left -= 1
                if left == 0:
                    outlet.end()

    def feed() -> None:
        for number in range(count):
            inlet.put(number, number)
        inlet.end()

    threads = [threading.Thread(target=t) for t in (feed, *[work] * 5)]
    for thread in threads:
        thread.start()
    got = [outlet.take()[1] for _ in range(count)]
    with pytest.raises(Ended):
        outlet.take()
    for thread in threads:
        thread.join(5)
    assert got == list(range(count))
