"""What this machine can do at most, how near to that a network comes, and from which size on a device is faster."""

from __future__ import annotations

from ferkern.bench.crossover import crossover
from ferkern.bench.machine import Level, MachineProfile, Measured, Passage, load_profile, profile_path, saved_profile
from ferkern.bench.measure import machine
from ferkern.bench.network import NetworkBench, named, network

__all__ = [
    "Level",
    "MachineProfile",
    "Measured",
    "NetworkBench",
    "Passage",
    "crossover",
    "load_profile",
    "machine",
    "named",
    "network",
    "profile_path",
    "saved_profile",
]
