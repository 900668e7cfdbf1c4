"""How a device's compiler lays out a struct that it shares with C++."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from ferkern.opencl import find
from ferkern.opencl.program import read_source


def layout_on_device(
    device: str, header: str, struct: str, record: npt.NDArray[np.void]
) -> tuple[int, list[int], bytes]:
    """The struct's size, the offset of each field and the bytes of `record`, as the device sees and writes them."""
    names = record.dtype.names
    assert names is not None
    words = record.dtype.itemsize // 4
    lines = [f"out[{i + 1}] = (int)((__private char*)&s.{name} - (__private char*)&s);" for i, name in enumerate(names)]
    copy = f"for (int i = 0; i < {words}; ++i) out[{1 + len(names)} + i] = ((__private int*)&s)[i];"
    body = "\n".join([f"out[0] = (int)sizeof({struct});", *lines, copy])
    source = read_source(header) + f"__kernel void look(const {struct} given, __global int* out) {{\n"
    source += f"{struct} s = given;\n{body}\n}}\n"
    target = find(device)
    cl = target.cl
    found = np.zeros(1 + len(names) + words, np.int32)
    buffer = cl.Buffer(target.context, cl.mem_flags.WRITE_ONLY, found.nbytes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cl.CompilerWarning)  # what a driver remarks on its vectorizer
        kernel = cl.Kernel(cl.Program(target.context, source).build(), "look")
    kernel.set_args(np.asarray(record), buffer)
    queue = cl.CommandQueue(target.context, target.handle)
    cl.enqueue_nd_range_kernel(queue, kernel, (1,), None)
    cl.enqueue_copy(queue, found, buffer)
    return int(found[0]), found[1 : 1 + len(names)].tolist(), found[1 + len(names) :].tobytes()
