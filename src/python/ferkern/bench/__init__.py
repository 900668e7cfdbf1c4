"""What this machine can do at most, how near a network comes, what moving bytes costs, when a device is faster."""

from __future__ import annotations

from ferkern.bench.compare import Comparison, compare, interleave
from ferkern.bench.crossover import crossover
from ferkern.bench.estimate import estimate
from ferkern.bench.machine import Level, MachineProfile, Measured, Passage, load_profile, profile_path, saved_profile
from ferkern.bench.measure import machine
from ferkern.bench.network import NetworkBench, named, network
from ferkern.bench.report import report
from ferkern.bench.transfers import Transfers, transfers

__all__ = [
    "Comparison",
    "Level",
    "MachineProfile",
    "Measured",
    "NetworkBench",
    "Passage",
    "Transfers",
    "compare",
    "crossover",
    "estimate",
    "interleave",
    "load_profile",
    "machine",
    "named",
    "network",
    "profile_path",
    "report",
    "saved_profile",
    "transfers",
]
