"""Sizes where vector code breaks: 1, the vector widths and their neighbours, primes."""

LANES = (4, 8, 16)
EDGES = sorted({1, 2, 3, 5, 7, 13, 31, *LANES, *(n - 1 for n in LANES), *(n + 1 for n in LANES), 33})
