"""Which values of a network may share memory on a device."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["place"]

Step = tuple[Sequence[int], int, int, bool]
"""The values that a step reads, its residual (-1: none), the value it makes, and whether that is its input's memory."""


def place(steps: Sequence[Step], sizes: Sequence[int], apart: set[int]) -> tuple[list[int], list[int]]:
    """A slot for each value, so that values that are needed at the same time have different ones.

    Parameters
    ----------
    sizes
        Bytes of each value.
    apart
        Values that share a slot with no other.

    Returns
    -------
    Slot of each value (-1: nothing makes or reads it), and bytes of each slot; 0 for the slots of `apart`.
    """
    root = list(range(len(sizes)))
    for inputs, _, output, same in steps:
        if same:
            root[output] = root[inputs[0]]
    alone = {root[value] for value in apart}
    last = dict.fromkeys(alone, len(steps))
    for i, (inputs, residual, output, _) in enumerate(steps):
        for value in (*inputs, residual, output):
            if value >= 0:
                last[root[value]] = max(last.get(root[value], 0), i)
    slot_of: dict[int, int] = {}
    slot_bytes: list[int] = []
    for value in sorted(alone):
        slot_of[value] = len(slot_bytes)
        slot_bytes.append(0)
    free: list[int] = []
    for i, (inputs, residual, output, _) in enumerate(steps):
        made = root[output]
        if made not in slot_of:
            slot_of[made] = _take(free, slot_bytes, sizes[made])
        for value in {root[v] for v in (*inputs, residual, output) if v >= 0}:
            if last[value] == i and value not in alone:
                free.append(slot_of[value])
    return [slot_of.get(root[value], -1) for value in range(len(sizes))], slot_bytes


def _take(free: list[int], slot_bytes: list[int], size: int) -> int:
    """A free slot: the smallest that is large enough, else the largest, which grows; else a new one."""
    fitting = [slot for slot in free if slot_bytes[slot] >= size]
    if fitting:
        chosen = min(fitting, key=lambda slot: slot_bytes[slot])
    elif free:
        chosen = max(free, key=lambda slot: slot_bytes[slot])
    else:
        slot_bytes.append(size)
        return len(slot_bytes) - 1
    free.remove(chosen)
    slot_bytes[chosen] = max(slot_bytes[chosen], size)
    return chosen
