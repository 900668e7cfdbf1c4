"""Singular value decomposition on an OpenCL device.

Arguments are judged by the same C++ ``infer()`` as on the processor, and what a device does not serve is refused there,
by name. The work is done on the tall way round. Singular values come from one-sided Jacobi, which is what a device does
best: the same for many pairs of columns at a time. A tall matrix goes through Q R first (`Tree`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.errors import DeviceError
from ferkern.opencl.memory import check_sizes, upload
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.ops.svd_steps import Rotations, Steps, Tree, View, columns_view, round_up, rows_view, tuning, view

__all__ = ["svd"]

Numbers = npt.NDArray[Any]
RANDOMIZED = 5  # of fk_svd_shape.method


def svd(
    a: Numbers,
    k: int | None = None,
    full_matrices: bool = False,
    compute_uv: bool = True,
    method: str = "auto",
    oversample: int = 10,
    iterations: int = 4,
    seed: int = 0,
    *,
    device: str = "opencl",
) -> tuple[Numbers | None, Numbers, Numbers | None, str]:
    """`ferkern.linalg.svd` on a device: u, s, vt (u and vt None without vectors) and the way that was taken.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.linalg.svd`; also ValueError for what a device does not serve: the methods ``"gram"`` and
        ``"bidiagonal"``, full matrices that are not square, more than 1,024 columns to be rotated.
    DeviceError
        The device is missing, its memory is too small, or it has no float64 and `a` is of it.
    """
    target = find(device)
    shape = _core.svd_shape(a, k, full_matrices, compute_uv, method, oversample, iterations, seed)
    _, function = _core.device_kernel("svd", shape, "opencl")
    if shape["wide_type"] and not target.info.fp64:
        raise DeviceError("feature", f"a is float64, and {target.info} has none", 'pass a.astype("float32")')
    numbers, scales, exponents = _core.svd_numbers(a)
    call = _Call(target, shape, function, numbers.dtype)
    u, s, vt, taken = call.run(numbers, scales)
    s = np.ldexp(s, exponents[:, None])
    if np.ndim(a) == 2:
        return (None if u is None else u[0]), s[0], (None if vt is None else vt[0]), taken
    return u, s, vt, taken


class _Call:
    """One decomposition: the tall way round, m >= n, whatever a is."""

    def __init__(self, device: Device, shape: Shape, function: str, dtype: np.dtype[Any]) -> None:
        self._shape = shape
        rows, columns, self._k = int(shape["m"]), int(shape["n"]), int(shape["k"])
        self._wide = rows < columns
        self._m, self._n = max(rows, columns), min(rows, columns)
        self._vectors = bool(shape["vectors"])
        self._function = function
        self._random = int(shape["method"]) == RANDOMIZED
        self._device = device
        self._steps = Steps(device, dtype, int(shape["batch"]), tuning(device.info, dtype.itemsize))
        m, n = self._m, self._n
        # Number (i, j) of the tall matrix, and of its left [m, k] and right [n, k] vectors in u and vt.
        step = m * n
        self._a_view = view(row=1, column=m, batch=step) if self._wide else view(row=n, column=1, batch=step)
        by_vt = view(row=1, column=columns, batch=self._k * columns)
        by_u = view(row=self._k, column=1, batch=rows * self._k)
        self._left_view, self._right_view = (by_vt, by_u) if self._wide else (by_u, by_vt)
        self._a: Any = None
        self._scales: Any = None
        self._left: Any = None
        self._right: Any = None

    def run(self, a: Numbers, scales: Numbers) -> tuple[Numbers | None, Numbers, Numbers | None, str]:
        steps, k = self._steps, self._k
        width = min(self._n, k + int(self._shape["oversample"])) if self._random else self._n
        # As on the processor: "jacobi" and "qr" take the same way where there are more rows than columns.
        direct = not self._random and (self._function == "svd_lanes" or self._m == self._n)
        tree = None if direct else Tree(steps, self._m, width)
        rows = self._m if direct else width
        rotations = Rotations(steps, self._function, rows, width, vectors=self._vectors)
        self._book(a, tree, rotations, width)
        self._a, self._scales = upload(self._device, a), upload(self._device, scales)
        if self._vectors:
            self._left, self._right = (steps.room(steps.batch * size * k) for size in (self._m, self._n))
        if self._random:
            assert tree is not None
            s, taken = self._by_sketch(tree, rotations, width), "randomized+qr+jacobi"
        elif tree is None:
            s, taken = self._directly(rotations), "jacobi"
        else:
            s, taken = self._through_qr(tree, rotations), "qr+jacobi"
        if not self._vectors:
            return None, s, None, taken
        left = steps.download(self._left, self._outside(self._m, left=True))
        right = steps.download(self._right, self._outside(self._n, left=False))
        u, vt = (right, left) if self._wide else (left, right)
        return u, s, vt, taken

    def _outside(self, size: int, *, left: bool) -> tuple[int, int, int]:
        """The shape of u or vt."""
        in_u = left != self._wide
        return (self._steps.batch, size, self._k) if in_u else (self._steps.batch, self._k, size)

    def _book(self, a: Numbers, tree: Tree | None, rotations: Rotations, width: int) -> None:
        steps, item = self._steps, self._steps.dtype.itemsize
        numbers = dict(rotations.numbers)
        if tree is not None:
            numbers |= tree.numbers
            numbers["products with Q"] = 2 * steps.batch * self._m * self._k if self._vectors else 0
        if self._random:
            numbers["the sketch and its products"] = 8 * steps.batch * self._n * width + steps.batch * self._m * width
        if self._vectors:
            numbers["the vectors"] = steps.batch * self._k * (self._m + self._n)
        check_sizes(self._device, {"a": a.nbytes} | {what: item * size for what, size in numbers.items() if size})

    def _directly(self, rotations: Rotations) -> Numbers:
        """The columns of a itself are rotated: a w = x."""
        steps, n = self._steps, self._n
        rotations.prepare()
        self._take(rotations.x, rotations.x_view, self._m, n)
        rotations.run()
        s, order = steps.order(rotations.x, rotations.x_view, self._m, n, self._k, vectors=self._vectors)
        if self._vectors:
            signs = steps.signs(rotations.w, rotations.w_view, n, self._k, order=order, columns=n)
            turn = {"order": order, "order_columns": n, "factors": signs, "factor_strides": (self._k, 1)}
            steps.copy(rotations.x, rotations.x_view, self._left, self._left_view, self._m, self._k, **turn)
            steps.copy(rotations.w, rotations.w_view, self._right, self._right_view, n, self._k, **turn)
        return s

    def _through_qr(self, tree: Tree, rotations: Rotations) -> Numbers:
        """a = Q R, then R^T w = x, R = w s x^T: the rows of R are sorted more or less, which saves sweeps."""
        steps, n = self._steps, self._n
        to, to_view = tree.prepare()
        self._take(to, to_view, self._m, n)
        s, order = self._triangle(tree, rotations)
        if self._vectors:
            signs = steps.signs(rotations.x, rotations.x_view, n, self._k, order=order, columns=n)
            turn = {"order": order, "order_columns": n, "factors": signs, "factor_strides": (self._k, 1)}
            steps.copy(rotations.x, rotations.x_view, self._right, self._right_view, n, self._k, **turn)
            self._expand(tree, rotations, order, signs)
        return s

    def _by_sketch(self, tree: Tree, rotations: Rotations, width: int) -> Numbers:
        """B = a Q for a basis Q of about the leading subspace, B = U s x^T, V = Q x."""
        steps, k, n = self._steps, self._k, self._n
        room = round_up(width, steps.tuned.product_lanes)
        basis = self._basis(width, room)
        b = steps.product(self._a, self._a_view, self._m, n, basis, room, scales=self._scales)
        to, to_view = tree.prepare()
        steps.copy(b, rows_view(room, self._m), to, to_view, self._m, width)
        s, order = self._triangle(tree, rotations)
        if self._vectors:
            narrow = round_up(k, steps.tuned.product_lanes)
            x = steps.room(steps.batch * width * narrow)
            turn = {"order": order, "order_columns": width}
            steps.copy(rotations.x, rotations.x_view, x, rows_view(narrow, width), width, k, **turn)
            v = steps.product(basis, rows_view(room, n), n, width, x, narrow)
            signs = steps.signs(v, rows_view(narrow, n), n, k)
            factors = {"factors": signs, "factor_strides": (k, 1)}
            steps.copy(v, rows_view(narrow, n), self._right, self._right_view, n, k, **factors)
            self._expand(tree, rotations, order, signs)
        return s

    def _basis(self, width: int, room: int) -> Any:
        """Gaussian vectors, multiplied with a^T a and made orthonormal each time; [batch, n, room] by rows."""
        steps, n = self._steps, self._n
        sketch = upload(self._device, _core.svd_sketch(self._shape, n, width))
        x, x_view = sketch, view(row=1, column=n)  # the same for every matrix
        a_t = self._a_view.copy()
        a_t["row"], a_t["column"] = self._a_view["column"], self._a_view["row"]
        tree = Tree(steps, n, width)
        unit = steps.room(steps.batch * width * width)
        steps.fill(unit, columns_view(width, width), width, width, steps.batch, identity=True)
        triangle = steps.room(steps.batch * width * width)
        basis = steps.room(steps.batch * n * room)
        for step in range(int(self._shape["iterations"]) + 2):
            if step > 0:
                between = steps.product(self._a, self._a_view, self._m, n, basis, room, scales=self._scales)
                x = steps.product(self._a, a_t, n, self._m, between, room, scales=self._scales)
                x_view = rows_view(room, n)
            to, to_view = tree.prepare()
            steps.copy(x, x_view, to, to_view, n, width)
            tree.factor(triangle, columns_view(width, width))
            q, q_view = tree.apply(unit, columns_view(width, width), width)
            steps.copy(q, q_view, basis, rows_view(room, n), n, width)
        return basis

    def _triangle(self, tree: Tree, rotations: Rotations) -> tuple[Numbers, Any]:
        """The decomposition of the transposed triangle."""
        rotations.prepare()
        transposed: View = rotations.x_view.copy()
        transposed["row"], transposed["column"] = rotations.x_view["column"], rotations.x_view["row"]
        tree.factor(rotations.x, transposed)
        rotations.run()
        n = tree.n
        return self._steps.order(rotations.x, rotations.x_view, n, n, self._k, vectors=self._vectors)

    def _take(self, to: Any, to_view: View, rows: int, columns: int) -> None:
        factors = {"factors": self._scales, "factor_strides": (1, 0)}
        self._steps.copy(self._a, self._a_view, to, to_view, rows, columns, **factors)

    def _expand(self, tree: Tree, rotations: Rotations, order: Any, signs: Any) -> None:
        """The left vectors: Q times the rotations, in their order and with their signs."""
        steps, k = self._steps, self._k
        top = steps.room(steps.batch * tree.n * k)
        turn = {"order": order, "order_columns": tree.n, "factors": signs, "factor_strides": (k, 1)}
        steps.copy(rotations.w, rotations.w_view, top, columns_view(tree.n, k), tree.n, k, **turn)
        u, u_view = tree.apply(top, columns_view(tree.n, k), k)
        steps.copy(u, u_view, self._left, self._left_view, self._m, k)
