"""Values of a network that are needed at the same time have memory of their own."""

from __future__ import annotations

import numpy as np

from ferkern.opencl.arena import place


def test_a_chain_needs_two_slots():
    steps = [([i], -1, i + 1, False) for i in range(6)]
    slots, sizes = place(steps, [10, 20, 30, 20, 30, 20, 10], {0, 6})
    assert sizes[slots[0]] == sizes[slots[6]] == 0
    assert len(sizes) == 4
    assert sum(sizes) == 50


def test_a_view_is_its_input():
    slots, sizes = place([([0], -1, 1, False), ([1], -1, 2, True), ([2], -1, 3, False)], [4, 8, 8, 4], {0, 3})
    assert slots[1] == slots[2]
    assert sum(sizes) == 8


def test_a_view_of_the_input_that_is_the_output():
    slots, sizes = place([([0], -1, 1, True)], [4, 4], {0, 1})
    assert slots == [0, 0]
    assert sum(sizes) == 0


def test_random_graphs_never_overwrite_what_is_still_read(rng):
    for _ in range(200):
        count = int(rng.integers(2, 25))
        steps = []
        for made in range(1, count):
            inputs = [int(v) for v in rng.integers(0, made, int(rng.integers(1, 4)))]
            residual = int(rng.integers(-1, made))
            steps.append((inputs, residual, made, bool(rng.random() < 0.15)))
        sizes = [int(s) for s in rng.integers(1, 100, count)]
        steps = [(i, -1 if same else r, o, same) for i, r, o, same in steps]
        for inputs, _, made, same in steps:
            if same:
                sizes[made] = sizes[inputs[0]]
        slots, slot_bytes = place(steps, sizes, {0, count - 1})
        holds = dict.fromkeys(range(len(slot_bytes)), -1)  # slot → the value whose content it has
        content = {0: 0}  # value → token of its content
        holds[slots[0]] = 0
        for step, (inputs, residual, made, same) in enumerate(steps):
            for value in (*inputs, *([residual] if residual >= 0 else [])):
                assert holds[slots[value]] == content[value], (steps, slots)
            content[made] = content[inputs[0]] if same else step + 1
            if not same:
                assert slots[made] not in {slots[v] for v in (*inputs, residual) if v >= 0}
                holds[slots[made]] = content[made]
        assert holds[slots[count - 1]] == content[count - 1]
        for value in range(1, count - 1):
            if slots[value] not in (slots[0], slots[count - 1]):
                assert slot_bytes[slots[value]] >= sizes[value]


def test_lifetimes_of_branches():
    """0 → 1 → 2, then 3 = 1 + 2: the first lives until the sum."""
    steps = [([0], -1, 1, False), ([1], -1, 2, False), ([2], 1, 3, False), ([3], -1, 4, False)]
    slots, sizes = place(steps, [1, 1, 1, 1, 1], {0, 4})
    assert slots[1] != slots[2]
    assert len(set(slots)) == len(sizes)
    assert np.unique(slots).size == 5
