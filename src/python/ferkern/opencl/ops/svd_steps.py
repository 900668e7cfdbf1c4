"""Steps of the singular value decomposition on an OpenCL device: how the kernels of ``svd*.cl`` are launched.

Matrices on the device stand by columns, a multiple of `Tuning.lanes` numbers apart, with zeros behind their ends; a
`view` says where their numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern.opencl.device import Device, DeviceInfo
from ferkern.opencl.memory import download, empty, upload
from ferkern.opencl.program import Program, build

__all__ = ["Rotations", "Steps", "Tree", "Tuning", "View", "columns_view", "round_up", "rows_view", "tuning", "view"]

View = npt.NDArray[np.void]

# fk_svd_view of kernels/opencl/fk_svd.h.
VIEW = np.dtype(
    [(name, np.int32) for name in ("lanes", "piece", "row", "column")]
    + [(name, np.uint32) for name in ("batch", "piece_step")]
)
MOST_SWEEPS = 30
"""Five to twelve is what happens."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernels are built and launched with."""

    lanes: int
    """Numbers of a vector along a column: FK_LANES."""
    team: int
    """Work items that share a column: FK_TEAM."""
    teams: int
    """Teams of a work group: FK_TEAMS."""
    local: bool
    """A matrix that a group rotates is kept in local memory where it fits: FK_LOCAL."""
    batch_lanes: int
    """Matrices of a small batch that stand side by side, one number of each in turn."""
    batch_vector: int
    """Of these, those that one work item takes: FK_LANES of svd_lanes."""
    block: int
    """Columns of a block that meet those of another in one launch."""
    piece: int
    """Least number of rows that are factored together; at least `tall` times the columns."""
    tall: int
    pile: int
    """Triangles that are piled up to be factored together."""
    product_lanes: int
    """Columns of a product that a work item sums: FK_LANES of svd_product."""

    @property
    def group(self) -> int:
        return self.team * self.teams


def tuning(info: DeviceInfo, itemsize: int) -> Tuning:
    """The parameters for a device and numbers of `itemsize` bytes."""
    if info.kind == "cpu":
        # One work item does a whole matrix, pair of blocks or piece, in vectors of 64 bytes (two or four registers of
        # AVX2: as many sums as hide a multiply-add's latency). A piece of 544 x 136 fits a second-level cache.
        lanes = 64 // itemsize
        return Tuning(lanes, 1, 1, False, lanes, lanes, 16, 512, 4, 4, lanes)
    # A team is half a warp of NVIDIA's; shorter sums through local memory, and columns of a few rows leave few idle.
    return Tuning(1, 16, 8, True, 32, 1, 8, 128, 2, 4, 4)


def round_up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


def view(*, row: int, column: int, batch: int = 0, lanes: int = 1, piece: int = 2**31 - 1, piece_step: int = 0) -> View:
    """Where number (i, j) of matrix b stands: see ``fk_svd_view``."""
    return np.array((lanes, piece, row, column, batch, piece_step), VIEW)


def columns_view(rows: int, columns: int) -> View:
    """Dense by columns, [batch][columns][rows]."""
    return view(row=1, column=rows, batch=rows * columns)


def rows_view(columns: int, rows: int) -> View:
    """Dense by rows, [batch][rows][columns]."""
    return view(row=columns, column=1, batch=rows * columns)


class Steps:
    """The kernels for one device, dtype and number of matrices."""

    def __init__(self, device: Device, dtype: np.dtype[Any], batch: int, tuned: Tuning) -> None:
        self.device = device
        self.dtype = dtype
        self.batch = batch
        self.tuned = tuned
        self._double = {"FK_DOUBLE": 1} if dtype.itemsize == 8 else {}

    def program(self, file: str = "svd.cl", **defines: int) -> Program:
        t = self.tuned
        base = {"FK_LANES": t.lanes, "FK_TEAM": t.team, "FK_TEAMS": t.teams}
        if file == "svd.cl":
            base["FK_LOCAL"] = int(t.local)
        return build(self.device, file, base | self._double | defines)

    def room(self, numbers: int) -> Any:
        """A buffer of numbers, undefined."""
        return empty(self.device, numbers * self.dtype.itemsize)

    def integers(self, values: npt.NDArray[np.int32]) -> Any:
        return upload(self.device, values)

    def copy(
        self,
        source: Any,
        source_view: View,
        to: Any,
        to_view: View,
        rows: int,
        columns: int,
        *,
        order: Any | None = None,
        order_columns: int = 0,
        factors: Any | None = None,
        factor_strides: tuple[int, int] = (0, 0),
    ) -> None:
        """Copies [batch, rows, columns], columns taken in an order and multiplied with factors of (matrix, column)."""
        counts = (np.int32(n) for n in (rows, columns, self.batch, order_columns, *factor_strides))
        size = (rows, columns, self.batch)
        self.program().launch("svd_copy", size, (16, 16, 1), source_view, to_view, *counts, source, order, factors, to)

    def fill(self, to: Any, to_view: View, rows: int, columns: int, batch: int, *, identity: bool) -> None:
        """Zeros, or the identity."""
        counts = (np.int32(n) for n in (rows, columns, batch, identity))
        self.program().launch("svd_fill", (rows, columns, batch), (16, 16, 1), to_view, *counts, to)

    def signs(self, x: Any, x_view: View, rows: int, k: int, *, order: Any | None = None, columns: int = 0) -> Any:
        """1 or -1 for each of k columns, by the entry of largest magnitude."""
        to = self.room(self.batch * k)
        counts = (np.int32(n) for n in (rows, k, self.batch, columns))
        self.program().launch("svd_sign", (k, self.batch), (16, 1), x_view, *counts, x, order, to)
        return to

    def order(self, x: Any, x_view: View, rows: int, n: int, k: int, *, vectors: bool) -> tuple[npt.NDArray[Any], Any]:
        """Values [batch, k], and the order of columns [batch, n] on the device; the first k become orthonormal."""
        values, order = self.room(self.batch * k), empty(self.device, 4 * self.batch * n)
        group = self.tuned.group
        launch, size = self.program().launch, (self.batch * group,)
        counts = (np.int32(c) for c in (rows, n, k, vectors))
        launch("svd_order", size, (group,), x_view, *counts, x, values, order, self.room(self.batch * n))
        s = self.download(values, (self.batch, k))
        alive = np.count_nonzero(s > np.finfo(self.dtype).eps / 8, axis=1).astype(np.int32)  # FK_DEAD
        if vectors and (alive < k).any():
            counts = (np.int32(c) for c in (rows, n, k))
            work = (self.room(self.batch * numbers) for numbers in (n, rows, rows))
            launch("svd_complete", size, (group,), x_view, *counts, x, order, self.integers(alive), *work)
        return s, order

    def product(
        self, a: Any, a_view: View, rows: int, inner: int, b: Any, width: int, *, scales: Any | None = None
    ) -> Any:
        """[batch, rows, width] = a [rows, inner] times b [batch, inner, width], by rows."""
        group = self.tuned.group
        program = self.program("svd_product.cl", FK_LANES=self.tuned.product_lanes)
        across = 8 if group > 1 else 1
        blocks = -(-rows // (group // across * 4)), -(-width // (across * self.tuned.product_lanes))
        # Some parts for each compute unit, of 256 terms or more.
        wanted = -(-4 * self.device.info.compute_units // (blocks[0] * blocks[1] * self.batch))
        parts = max(1, min(wanted, 64, inner // 256))
        cut = self.room(self.batch * parts * rows * width)
        counts = (np.int32(c) for c in (rows, inner, width, parts))
        size = (blocks[1] * group, blocks[0], self.batch * parts)
        program.launch("svd_product", size, (group, 1, 1), a_view, *counts, scales, a, b, cut)
        if parts == 1:
            return cut
        to = self.room(self.batch * rows * width)
        counts = (np.int32(c) for c in (rows * width, parts, self.batch))
        program.launch("svd_add_parts", (rows * width, self.batch), (64, 1), *counts, cut, to)
        return to

    def download(self, buffer: Any, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
        out = np.empty(shape, self.dtype if dtype is None else dtype)
        download(self.device, buffer, out)
        return out


class Rotations:
    """One-sided Jacobi of x [batch][n][height] by one of the kernels in the list."""

    def __init__(self, steps: Steps, function: str, rows: int, n: int, *, vectors: bool) -> None:
        t = steps.tuned
        self._steps = steps
        self._function = function
        self.n = n
        self.rows = rows
        self.lanes = t.batch_lanes if function == "svd_lanes" else 1
        unit = 1 if function == "svd_lanes" else t.lanes
        self.height = round_up(rows, unit)
        self.w_height = round_up(n, unit)
        self.matrices = round_up(steps.batch, self.lanes)
        size = self.matrices * n
        self.numbers = {"rotated columns": size * self.height, "rotations": size * self.w_height if vectors else 0}
        self.x_view = self._view(self.height)
        self.w_view = self._view(self.w_height)
        self._tolerance = steps.dtype.type(np.sqrt(rows) * np.finfo(steps.dtype).eps)
        self.x: Any = None
        self.w: Any = None

    def _view(self, height: int) -> View:
        lanes = self.lanes
        return view(row=lanes, column=height * lanes, batch=self.n * height * lanes, lanes=lanes)

    def prepare(self) -> None:
        """Room for x, with zeros where nothing is written."""
        self.x = self._steps.room(self.numbers["rotated columns"])
        if self.height != self.rows or self.matrices != self._steps.batch:
            self._steps.fill(self.x, self.x_view, self.height, self.n, self.matrices, identity=False)
        if self.numbers["rotations"]:
            self.w = self._steps.room(self.numbers["rotations"])

    def run(self) -> None:
        """Rotates; raises ValueError where the sweeps do not suffice."""
        steps = self._steps
        if self.w is not None:
            steps.fill(self.w, self.w_view, self.w_height, self.n, self.matrices, identity=True)
        {"svd_lanes": self._lanes, "svd_jacobi": self._groups, "svd_blocks": self._blocks}[self._function]()

    def _check(self, still_open: npt.NDArray[np.int32]) -> None:
        if still_open.any():
            which = int(still_open.argmax())
            raise ValueError(f"svd: matrix {which} of a does not converge in {MOST_SWEEPS} sweeps")

    def _groups(self) -> None:
        steps, t = self._steps, self._steps.tuned
        bytes_of_one = (self.height + self.w_height) * self.n * steps.dtype.itemsize
        scratch = 3 * t.group * steps.dtype.itemsize + 64
        fits = t.local and bytes_of_one + scratch <= steps.device.info.local_bytes
        program = steps.program() if fits or not t.local else steps.program(FK_LOCAL=0)
        still_open = empty(steps.device, 4 * steps.batch)
        counts = [np.int32(c) for c in (self.height, self.n, self.w_height)]
        memory = steps.device.cl.LocalMemory(bytes_of_one if fits else 4)
        program.launch(
            "svd_jacobi",
            (steps.batch * t.group,),
            (t.group,),
            *counts,
            self._tolerance,
            np.int32(MOST_SWEEPS),
            self.x,
            self.w,
            still_open,
            memory,
        )
        self._check(steps.download(still_open, (steps.batch,), np.int32))

    def _blocks(self) -> None:
        steps, t = self._steps, self._steps.tuned
        program = steps.program()
        blocks = -(-self.n // t.block)
        rounds = blocks + blocks % 2 - 1
        size = ((rounds + 1) // 2 * t.group, steps.batch)
        counts = [np.int32(c) for c in (self.height, self.n, self.w_height)]
        turned = np.ones(steps.batch, np.int32)
        for _ in range(MOST_SWEEPS):
            flags = steps.integers(np.zeros(steps.batch, np.int32))
            for number in range(rounds):
                program.launch(
                    "svd_blocks",
                    size,
                    (t.group, 1),
                    *counts,
                    self._tolerance,
                    np.int32(t.block),
                    np.int32(number),
                    self.x,
                    self.w,
                    flags,
                )
            turned = steps.download(flags, (steps.batch,), np.int32)
            if not turned.any():
                return
        self._check(turned)

    def _lanes(self) -> None:
        steps, t = self._steps, self._steps.tuned
        program = steps.program(FK_LANES=t.batch_vector, FK_TEAM=1, FK_TEAMS=1, FK_LOCAL=0)
        still_open = steps.integers(np.zeros(steps.batch, np.int32))
        counts = [np.int32(c) for c in (steps.batch, self.lanes, self.height, self.n)]
        items = -(-steps.batch // t.batch_vector)
        group = 1 if t.batch_vector > 1 else 64
        sweeps = np.int32(MOST_SWEEPS)
        program.launch("svd_lanes", (items,), (group,), *counts, self._tolerance, sweeps, self.x, self.w, still_open)
        self._check(steps.download(still_open, (steps.batch,), np.int32))


@dataclass(slots=True)
class _Level:
    pieces: int
    filled: int
    """Rows of a piece that are written."""
    height: int
    x: Any = None
    taus: Any = None


class Tree:
    """Q R of [batch, rows, n], rows >= n, in pieces; Q stays in its reflections."""

    def __init__(self, steps: Steps, rows: int, n: int) -> None:
        t = steps.tuned
        self._steps = steps
        self.rows = rows
        self.n = n
        self._levels: list[_Level] = []
        filled, left = min(rows, max(t.piece, t.tall * n)), rows
        while True:
            pieces = -(-left // filled)
            self._levels.append(_Level(pieces, filled, round_up(max(filled, n), t.lanes)))
            if pieces == 1:
                break
            left, filled = pieces * n, min(t.pile, pieces) * n
        self.numbers = {
            "reflections": steps.batch * n * sum(level.pieces * (level.height + 1) for level in self._levels)
        }

    def _pile(self, level: _Level, columns: int, height: int) -> View:
        """The rows of a level's pieces, one piece after the other."""
        step = columns * height
        return view(row=1, column=height, batch=level.pieces * step, piece=level.filled, piece_step=step)

    def prepare(self) -> tuple[Any, View]:
        """Room for the matrix, and where its numbers go."""
        steps, left = self._steps, self.rows
        for level in self._levels:
            level.x = steps.room(steps.batch * level.pieces * self.n * level.height)
            level.taus = steps.room(steps.batch * level.pieces * self.n)
            if level.filled != level.height or left % level.filled != 0:
                pieces = steps.batch * level.pieces
                steps.fill(level.x, columns_view(level.height, self.n), level.height, self.n, pieces, identity=False)
            left = level.pieces * self.n
        bottom = self._levels[0]
        return bottom.x, self._pile(bottom, self.n, bottom.height)

    def factor(self, r: Any, r_view: View) -> None:
        """The matrix becomes reflections; its triangle R goes to r."""
        steps, t = self._steps, self._steps.tuned
        program = steps.program("svd_qr.cl")
        above = [(level.x, self._pile(level, self.n, level.height)) for level in self._levels[1:]]
        for level, (to, to_view) in zip(self._levels, [*above, (r, r_view)], strict=True):
            counts = np.int32(level.height), np.int32(self.n)
            size = (level.pieces * t.group, steps.batch)
            program.launch("svd_qr", size, (t.group, 1), *counts, to_view, level.x, level.taus, to)

    def apply(self, top: Any, top_view: View, k: int) -> tuple[Any, View]:
        """Q [top; 0] for top [batch, n, k]: [batch, rows, k], and where its numbers are."""
        steps, t = self._steps, self._steps.tuned
        program = steps.program("svd_qr.cl")
        share = 4 * t.teams
        for level in reversed(self._levels):
            c = steps.room(steps.batch * level.pieces * k * level.height)
            counts = (np.int32(x) for x in (level.height, self.n, k, share))
            size = (-(-k // share) * t.group, level.pieces, steps.batch)
            program.launch("svd_apply", size, (t.group, 1, 1), *counts, top_view, level.x, level.taus, top, c)
            top, top_view = c, self._pile(level, k, level.height)
        return top, top_view
