"""Choices that steer the kernels: instruction set, kernel, threads, strictness."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ferkern import _core

__all__ = ["config"]


@contextmanager
def config(
    *,
    isa: str | None = None,
    threads: int | None = None,
    strict: bool | None = None,
    kernel: str | None = None,
    exact: bool | None = None,
) -> Iterator[None]:
    """Steer the kernels that this thread plans or calls inside the ``with`` block.

    Parameters
    ----------
    isa
        Highest instruction set to use: ``"scalar"``, ``"avx2"``, ``"avx512"`` or ``"avx512icl"``.
    threads
        Threads that one call may use, 1 to 1024.
    strict
        Raise where only the plain reference would serve, although the op has other kernels for the instruction set.
    kernel
        Use only kernels of this name (see `ferkern.registry.kernels`).
    exact
        Use only kernels written for exactly `isa`, none for a lower set.

    Raises
    ------
    ValueError
        For an unknown or unsupported instruction set or a number of threads out of range.
    """
    before = _core.get_choice()
    old_isa, old_exact, old_kernel, old_threads, old_strict = before
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be from 1 to 1024, is {threads}")
    _core.set_choice(
        old_isa if isa is None else isa,
        old_exact if exact is None else exact,
        old_kernel if kernel is None else kernel,
        old_threads if threads is None else threads,
        old_strict if strict is None else strict,
    )
    try:
        yield
    finally:
        _core.set_choice(*before)
