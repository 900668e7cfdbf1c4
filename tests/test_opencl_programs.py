"""Built programs between processes: read again, made again where the file is damaged, never in the way."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys

import pytest

from ferkern.opencl import binaries, find, program

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache folder, and a process that has built nothing."""
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(program, "_built", {})
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "one.cl").write_text("__kernel void one(__global float* y) { y[get_global_id(0)] = 1.0f; }\n")
    monkeypatch.setenv("FERKERN_CL_DIR", str(sources))
    return tmp_path / "opencl-programs"


def origin(device, caplog):
    """Builds as a fresh process would; ``"built"`` or ``"read from the cache"``."""
    caplog.clear()
    program._built.clear()
    with caplog.at_level(logging.DEBUG, logger="ferkern.opencl.program"):
        program.build(find(device), "one.cl", {})
    (record,) = [r for r in caplog.records if " for opencl:" in r.getMessage()]
    return record.args[1]


def test_a_program_is_read_where_an_earlier_process_built_it(cl_device, folder, caplog):
    assert origin(cl_device, caplog) == "built"
    (file,) = folder.iterdir()
    assert origin(cl_device, caplog) == "read from the cache"
    assert list(folder.iterdir()) == [file]


def test_the_key_tells_sources_options_devices_and_drivers_apart(cl_device):
    import dataclasses

    info = find(cl_device).info
    keys = {
        program._key(info, "source", ("-a",)),
        program._key(info, "source ", ("-a",)),
        program._key(info, "source", ("-b",)),
        program._key(dataclasses.replace(info, driver="other"), "source", ("-a",)),
        program._key(dataclasses.replace(info, name="other"), "source", ("-a",)),
        program._key(dataclasses.replace(info, version="other"), "source", ("-a",)),
    }
    assert len(keys) == 6


@pytest.mark.parametrize("damage", [b"", b"ferkern program 1\n", b"x" * 5000])
def test_a_damaged_file_is_made_again(cl_device, folder, caplog, damage):
    assert origin(cl_device, caplog) == "built"
    (file,) = folder.iterdir()
    file.write_bytes(damage)
    assert origin(cl_device, caplog) == "built"
    assert any("is damaged" in r.getMessage() for r in caplog.records)
    assert binaries.load(file.stem) is not None
    flipped = bytearray(file.read_bytes())
    flipped[-10] ^= 1
    file.write_bytes(flipped)
    assert origin(cl_device, caplog) == "built"


def test_a_binary_that_the_driver_refuses_is_made_again(cl_device, folder, caplog):
    assert origin(cl_device, caplog) == "built"
    (file,) = folder.iterdir()
    binaries.store(file.stem, b"no program at all")
    assert origin(cl_device, caplog) == "built"


def test_a_folder_that_cannot_be_written_is_no_obstacle(cl_device, folder, caplog, monkeypatch):
    folder.parent.joinpath("file").touch()
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(folder.parent / "file"))
    assert origin(cl_device, caplog) == "built"

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("FERKERN_CACHE_DIR", str(folder.parent / "full"))
    monkeypatch.setattr(binaries.cache, "write_whole", full)
    assert origin(cl_device, caplog) == "built"


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    from ferkern import cache

    monkeypatch.setattr(cache.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        cache.write_whole(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_longest_goes_first(folder, monkeypatch):
    monkeypatch.setattr(binaries, "MOST_BYTES", 2500)
    for i, key in enumerate("abcd"):
        binaries.store(key, bytes(900))
        if key in "abc":
            path = folder / f"{key}.bin"
            os.utime(path, (i, i)) if path.exists() else None
    assert sorted(path.stem for path in folder.iterdir()) == ["c", "d"]
    assert binaries.load("c") == bytes(900)
    assert binaries.load("a") is None


def test_processes_that_build_at_once_leave_whole_files(cl_device, tmp_path):
    code = f"""
import numpy as np
from ferkern import nn
print(nn.conv2d(np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 3, 3), np.float32), device="{cl_device}"))
"""
    env = {**os.environ, "FERKERN_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert {p.communicate(timeout=120)[0] for p in running} == {"[[[[9.]]]]\n"}
    files = list((tmp_path / "opencl-programs").iterdir())
    assert [f.suffix for f in files] == [".bin"] * len(files)
    assert files
    assert all(f.read_bytes()[: len(binaries._MAGIC)] == binaries._MAGIC for f in files)
    assert not any(f.stat().st_mode & stat.S_IWOTH for f in files)
