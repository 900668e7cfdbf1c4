from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, type_check_only

import numpy as np
import numpy.typing as npt

_Float32 = npt.NDArray[np.float32]
_Pair = int | tuple[int, int]
_Padding = str | int | Sequence[int]
_Words = npt.NDArray[np.uint32]
_UInt8 = npt.NDArray[np.uint8]
_Matrix = npt.NDArray[np.float64] | npt.NDArray[np.float32]
_Real = TypeVar("_Real", np.float32, np.float64)
_Pixel = TypeVar("_Pixel", np.uint8, np.float32)

__version__: str

def cpu() -> dict[str, Any]: ...
def isa_supported() -> str: ...
def isa_default() -> str: ...
def kernels() -> list[tuple[str, str, str]]: ...
def last_kernel() -> str: ...
def available_cpus() -> int: ...
def default_threads() -> int: ...
def get_choice() -> tuple[str, bool, str, int, bool]: ...
def set_choice(isa: str, exact: bool, kernel: str, threads: int, strict: bool) -> None: ...
def conv2d(
    x: _Float32,
    w: _Float32,
    b: _Float32 | None,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    groups: int,
    activation: str | None,
    alpha: float | None,
    out: _Float32 | None,
) -> _Float32: ...
def depthwise_conv2d(
    x: _Float32,
    w: _Float32,
    b: _Float32 | None,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    activation: str | None,
    alpha: float | None,
    out: _Float32 | None,
) -> _Float32: ...
def depthwise_separable(
    x: _Float32,
    w_dw: _Float32,
    w_pw: _Float32,
    b: _Float32 | None,
    b_dw: _Float32 | None,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    activation_dw: str | None,
    activation: str | None,
    alpha: float | None,
    out: _Float32 | None,
) -> _Float32: ...
def max_pool2d(x: _Float32, size: _Pair, stride: _Pair | None, padding: _Padding, out: _Float32 | None) -> _Float32: ...
def avg_pool2d(
    x: _Float32,
    size: _Pair,
    stride: _Pair | None,
    padding: _Padding,
    count_include_pad: bool,
    out: _Float32 | None,
) -> _Float32: ...
def l2_pool2d(x: _Float32, size: _Pair, stride: _Pair | None, padding: _Padding, out: _Float32 | None) -> _Float32: ...
def global_pool(x: _Float32, average: bool, out: _Float32 | None) -> _Float32: ...
def batch_norm(
    x: _Float32,
    gamma: _Float32,
    beta: _Float32,
    mean: _Float32,
    variance: _Float32,
    epsilon: float,
    activation: str | None,
    alpha: float | None,
    out: _Float32 | None,
) -> _Float32: ...
def local_response_norm(
    x: _Float32, size: int, alpha: float, beta: float, k: float, out: _Float32 | None
) -> _Float32: ...
def concat(xs: Sequence[_Float32], out: _Float32 | None) -> _Float32: ...
def gemm(
    a: _Float32,
    b: _Float32,
    bias: _Float32 | None,
    transpose_b: bool,
    activation: str | None,
    alpha: float | None,
    out: _Float32 | None,
) -> _Float32: ...
def dense(
    x: _Float32,
    w: _Float32,
    b: _Float32 | None,
    activation: str | None,
    alpha: float | None,
    out: _Float32 | None,
) -> _Float32: ...
def activate(x: _Float32, kind: str | None, alpha: float | None, out: _Float32 | None) -> _Float32: ...
def add(x1: _Float32, x2: _Float32, activation: str | None, alpha: float | None, out: _Float32 | None) -> _Float32: ...
def svd(
    a: npt.NDArray[_Real],
    k: int | None,
    full_matrices: bool,
    compute_uv: bool,
    method: str,
    oversample: int,
    iterations: int,
    seed: int,
) -> tuple[npt.NDArray[_Real] | None, npt.NDArray[_Real], npt.NDArray[_Real] | None, str]: ...
def svd_shape(
    a: npt.NDArray[_Real],
    k: int | None,
    full_matrices: bool,
    compute_uv: bool,
    method: str,
    oversample: int,
    iterations: int,
    seed: int,
) -> npt.NDArray[np.void]: ...
def svd_numbers(a: npt.NDArray[_Real]) -> tuple[npt.NDArray[_Real], npt.NDArray[_Real], npt.NDArray[np.int32]]: ...
def svd_sketch(shape: npt.NDArray[np.void], rows: int, columns: int) -> npt.NDArray[Any]: ...
def binarize(w: _Float32) -> tuple[_Words, _Float32, int, bool]: ...
def pack_signs(x: _Float32, out: _Words | None) -> _Words: ...
def fold_batch_norm_sign(
    alpha: _Float32,
    most: int,
    gamma: _Float32,
    beta: _Float32,
    mean: _Float32,
    variance: _Float32,
    b: _Float32 | None,
    epsilon: float,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]: ...
def float_shape(object: _Float32, name: str, rank: int) -> tuple[int, ...]: ...
def machine_peak(name: str, seconds: float) -> tuple[float, str]: ...
def machine_bandwidth(
    name: str, bytes: int, threads: int, repetitions: int, seconds: float
) -> tuple[list[float], str]: ...
def softmax(x: _Float32, axis: int, out: _Float32 | None) -> _Float32: ...
def conv2d_shape(
    x: _Float32,
    w: _Float32,
    b: _Float32 | None,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    groups: int,
    activation: str | None,
    alpha: float | None,
) -> npt.NDArray[np.void]: ...
def device_kernel(op: str, shape: npt.NDArray[np.void], target: str) -> tuple[str, str]: ...
def device_cost(op: str, shape: npt.NDArray[np.void]) -> tuple[float, float, float]: ...
def conv2d_kernels(shape: npt.NDArray[np.void]) -> list[str]: ...
def device_output(
    out: _Float32 | None,
    shape: Sequence[int],
    inputs: Mapping[str, _Float32 | None],
    may_be_input: bool = False,
) -> _Float32: ...
def dense_float32(array: _Float32, name: str, shape: Sequence[int] | None) -> _Float32: ...
def binary_shape(
    bits: _Words, alpha: _Float32, channels: int, x: Sequence[int], stride: _Pair, padding: _Padding
) -> npt.NDArray[np.void]: ...
def binary_signs_shape(x: _Float32) -> npt.NDArray[np.void]: ...
def binary_numbers(
    shape: npt.NDArray[np.void],
    channels_last: bool,
    x: _Float32 | _Words,
    b: _Float32 | None,
    scale_input: bool,
    activation: str | None,
    slope: float | None,
    out: _Float32 | None,
) -> tuple[Any, _Float32 | None, int, float, _Float32]: ...
def binary_bits(
    shape: npt.NDArray[np.void],
    x: _Float32 | _Words,
    at_least: npt.NDArray[np.int32],
    direction: npt.NDArray[np.int32],
    out: _Words | None,
) -> tuple[Any, npt.NDArray[np.int32], npt.NDArray[np.int32], _Words]: ...
def pool_shape(
    x: _Float32, kind: str, size: _Pair, stride: _Pair | None, padding: _Padding, count_include_pad: bool
) -> npt.NDArray[np.void]: ...
def global_pool_shape(x: _Float32, average: bool) -> npt.NDArray[np.void]: ...
def depthwise_shape(
    x: _Float32,
    w: _Float32,
    b: _Float32 | None,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    activation: str | None,
    alpha: float | None,
) -> npt.NDArray[np.void]: ...
def separable_shape(
    x: _Float32,
    w_dw: _Float32,
    w_pw: _Float32,
    b: _Float32 | None,
    b_dw: _Float32 | None,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    activation_dw: str | None,
    activation: str | None,
    alpha: float | None,
) -> npt.NDArray[np.void]: ...
def batch_norm_shape(
    x: _Float32,
    gamma: _Float32,
    beta: _Float32,
    mean: _Float32,
    variance: _Float32,
    epsilon: float,
    activation: str | None,
    alpha: float | None,
) -> npt.NDArray[np.void]: ...
def local_response_norm_shape(x: _Float32, size: int, alpha: float, beta: float, k: float) -> npt.NDArray[np.void]: ...
def concat_shape(xs: Sequence[_Float32]) -> npt.NDArray[np.void]: ...
def gemm_shape(
    a: _Float32, b: _Float32, bias: _Float32 | None, transpose_b: bool, activation: str | None, alpha: float | None
) -> npt.NDArray[np.void]: ...
def dense_shape(
    x: _Float32, w: _Float32, b: _Float32 | None, activation: str | None, alpha: float | None
) -> npt.NDArray[np.void]: ...
def dense_product(shape: npt.NDArray[np.void]) -> npt.NDArray[np.void]: ...
def activate_shape(x: _Float32, kind: str, alpha: float | None) -> npt.NDArray[np.void]: ...
def add_shape(x1: _Float32, x2: _Float32, activation: str | None, alpha: float | None) -> npt.NDArray[np.void]: ...
def softmax_shape(x: _Float32, axis: int) -> npt.NDArray[np.void]: ...

@type_check_only
class _NativeType(type): ...

class BinaryConv2d(metaclass=_NativeType):
    def __init__(
        self,
        bits: _Words,
        alpha: _Float32,
        channels: int,
        x: Sequence[int],
        stride: _Pair,
        padding: _Padding,
        channels_last: bool,
    ) -> None: ...
    def run(
        self,
        x: _Float32 | _Words,
        b: _Float32 | None,
        scale_input: bool,
        activation: str | None,
        slope: float | None,
        out: _Float32 | None,
    ) -> _Float32: ...
    def run_signs(
        self,
        x: _Float32 | _Words,
        at_least: npt.NDArray[np.int32],
        direction: npt.NDArray[np.int32],
        out: _Words | None,
    ) -> _Words: ...

class Graph(metaclass=_NativeType):
    def __init__(self, name: str, input: str, dims: Sequence[int]) -> None: ...
    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        attributes: dict[str, Any],
        weights: dict[str, _Float32],
    ) -> None: ...
    def choose(self, output: str, kernel: str) -> None: ...
    def quantize(self, value: str, scale: float, zero_point: int) -> None: ...
    def device_plan(self, output: str, batch: int, target: str) -> tuple[list[dict[str, Any]], list[int], int, int]: ...

def run_arrays(
    x: _Float32, out: _Float32 | None, input_dims: Sequence[int], output_dims: Sequence[int]
) -> tuple[_Float32, _Float32]: ...

class Session(metaclass=_NativeType):
    def __init__(self, graph: Graph, output: str, output_dims: Sequence[int], batch: int, threads: int) -> None: ...
    def run(self, x: _Float32, out: _Float32 | None) -> _Float32: ...
    def profile(self, x: _Float32) -> tuple[_Float32, list[float]]: ...
    def steps(self) -> list[tuple[str, str, float, float, float, str, float, float, int]]: ...
    def arena_bytes(self) -> int: ...
    def threads(self) -> int: ...

def to_gray(rgb: _UInt8, out: _UInt8 | None) -> _UInt8: ...
def resize(
    image: npt.NDArray[_Pixel], size: tuple[int, int], method: str, out: npt.NDArray[_Pixel] | None
) -> npt.NDArray[_Pixel]: ...
def warp(
    image: npt.NDArray[_Pixel],
    matrix: _Matrix,
    size: tuple[int, int],
    border: str,
    fill: float,
    antialias: bool,
    out: npt.NDArray[_Pixel] | None,
) -> npt.NDArray[_Pixel]: ...
def gray_shape(rgb: _UInt8) -> npt.NDArray[np.void]: ...
def resize_shape(image: npt.NDArray[Any], size: tuple[int, int], method: str) -> npt.NDArray[np.void]: ...
def resize_taps(shape: npt.NDArray[np.void]) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void], float]: ...
def warp_shape(
    image: npt.NDArray[Any], matrix: _Matrix, size: tuple[int, int], border: str, fill: float, antialias: bool
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64], npt.NDArray[np.void], int]: ...
def warp_origins(
    shape: npt.NDArray[np.void], matrices: npt.NDArray[np.float64], views: npt.NDArray[np.void], count: int
) -> npt.NDArray[np.void]: ...
def integral_shape(gray: _UInt8, squared: bool, tilted: bool) -> npt.NDArray[np.void]: ...
def dense_picture(array: npt.NDArray[_Pixel], name: str) -> npt.NDArray[_Pixel]: ...
def picture_output(
    out: npt.NDArray[_Pixel] | None,
    shape: Sequence[int],
    like: npt.NDArray[_Pixel],
    inputs: Mapping[str, npt.NDArray[Any]],
) -> npt.NDArray[_Pixel]: ...
def image_cost(
    op: str, image: Sequence[int], size: Sequence[int], method: str, count: int, is_float: bool
) -> tuple[float, float, float]: ...

class Pyramid(metaclass=_NativeType):
    def __init__(self, frame: npt.NDArray[np.uint8] | _Float32) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    def level(self, level: int) -> npt.NDArray[Any]: ...

_Frame = npt.NDArray[np.uint8] | _Float32 | Pyramid

def dense_frame(frame: npt.NDArray[np.uint8] | _Float32, name: str) -> npt.NDArray[np.uint8] | _Float32: ...
def pyramid_shape(frame: npt.NDArray[np.uint8] | _Float32, name: str) -> npt.NDArray[np.void]: ...
def pyramid_level(shape: npt.NDArray[np.void], level: int) -> tuple[int, int]: ...
def flow_lk_shape(
    prev: npt.NDArray[np.void],
    next: npt.NDArray[np.void],
    pts: _Float32,
    guess: _Float32 | None,
    window: int,
    levels: int,
    iterations: int,
    epsilon: float,
    min_eigenvalue: float,
) -> tuple[npt.NDArray[np.void], _Float32, _Float32 | None]: ...
def flow_track(
    prev: _Frame,
    next: _Frame,
    pts: _Float32,
    guess: _Float32 | None,
    window: int,
    levels: int,
    iterations: int,
    epsilon: float,
    min_eigenvalue: float,
    backward: bool,
) -> tuple[_Float32, npt.NDArray[np.bool_], _Float32, _Float32 | None, npt.NDArray[np.int32], int]: ...
def corners_shape(
    gray: npt.NDArray[np.uint8] | _Float32, count: int, quality: float, min_distance: float, block: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[Any]]: ...
def corners_choose(eigenvalues: _Float32, count: int, quality: float, min_distance: float, block: int) -> _Float32: ...
def flow_corners(
    gray: npt.NDArray[np.uint8] | _Float32, count: int, quality: float, min_distance: float, block: int
) -> _Float32: ...
def flow_cost(
    height: int, width: int, points: int, window: int, levels: int, is_float: bool
) -> tuple[float, float, float]: ...

_GreyFrame = npt.NDArray[np.uint8] | _Float32

def flow_dense(
    prev: _GreyFrame,
    next: _GreyFrame,
    finest: int,
    stride: int,
    iterations: int,
    refinements: int,
    sweeps: int,
    alpha: float,
    delta: float,
    gamma: float,
    white: float,
    out: _Float32 | None = None,
) -> _Float32: ...
def flow_refine(
    prev: _GreyFrame,
    next: _GreyFrame,
    flow: _Float32,
    refinements: int,
    sweeps: int,
    alpha: float,
    delta: float,
    gamma: float,
    white: float,
    out: _Float32 | None = None,
) -> _Float32: ...
def flow_horn_schunck(
    prev: _GreyFrame, next: _GreyFrame, alpha: float, iterations: int, white: float, out: _Float32 | None = None
) -> _Float32: ...
def flow_warp(
    image: npt.NDArray[_Pixel],
    flow: _Float32,
    border: str,
    fill: float,
    out: npt.NDArray[_Pixel] | None = None,
) -> npt.NDArray[_Pixel]: ...
def flow_dis_shape(
    prev: npt.NDArray[np.uint8] | _Float32,
    next: npt.NDArray[np.uint8] | _Float32,
    finest: int,
    stride: int,
    iterations: int,
    refinements: int,
    sweeps: int,
    alpha: float,
    delta: float,
    gamma: float,
    white: float,
    out: _Float32 | None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], _Float32]: ...
def flow_refine_shape(
    prev: npt.NDArray[np.uint8] | _Float32,
    next: npt.NDArray[np.uint8] | _Float32,
    flow: _Float32,
    refinements: int,
    sweeps: int,
    alpha: float,
    delta: float,
    gamma: float,
    white: float,
    out: _Float32 | None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], _Float32, _Float32]: ...
def flow_hs_shape(
    prev: npt.NDArray[np.uint8] | _Float32,
    next: npt.NDArray[np.uint8] | _Float32,
    alpha: float,
    iterations: int,
    white: float,
    out: _Float32 | None,
) -> tuple[npt.NDArray[np.void], npt.NDArray[Any], npt.NDArray[Any], _Float32]: ...
def flow_warp_shape(
    image: npt.NDArray[_Pixel], flow: _Float32, border: str, fill: float, out: npt.NDArray[_Pixel] | None
) -> tuple[npt.NDArray[np.void], npt.NDArray[_Pixel], _Float32, npt.NDArray[_Pixel]]: ...
def flow_dense_cost(
    height: int, width: int, is_float: bool, finest: int, stride: int, iterations: int, refinements: int, sweeps: int
) -> tuple[float, float, float]: ...

_Int8 = npt.NDArray[np.int8]
_Clip = tuple[float, float]
_Meaning = tuple[float, int]

def conv2d_int8(
    x: _UInt8,
    w: _Int8,
    multiplier: _Float32,
    offset: _Float32,
    zero_point: int,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    groups: int,
    clip: _Clip,
    residual: _UInt8 | None,
    residual_multiplier: float,
    planar: bool,
) -> _UInt8: ...
def depthwise_conv2d_int8(
    x: _UInt8,
    w: _Int8,
    multiplier: _Float32,
    offset: _Float32,
    zero_point: int,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    clip: _Clip,
) -> _UInt8: ...
def dense_int8(
    x: _UInt8, w: _Int8, multiplier: _Float32, offset: _Float32, zero_point: int, clip: _Clip, floats: bool
) -> Any: ...
def pool2d_int8(
    x: _UInt8,
    size: _Pair,
    stride: _Pair | None,
    padding: _Padding,
    average: bool,
    count_include_pad: bool,
    x_means: _Meaning,
    y_means: _Meaning,
) -> _UInt8: ...
def add_int8(
    x1: _UInt8, x2: _UInt8, x1_means: _Meaning, x2_means: _Meaning, y_means: _Meaning, clip: _Clip
) -> _UInt8: ...
def lookup_int8(x: _UInt8, table: _UInt8) -> _UInt8: ...
def concat_int8(xs: Sequence[_UInt8]) -> _UInt8: ...
def conv2d_int8_shape(
    x: _UInt8,
    w: _Int8,
    multiplier: _Float32,
    offset: _Float32,
    zero_point: int,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    groups: int,
    clip: _Clip,
    residual: _UInt8 | None,
    residual_multiplier: float,
) -> npt.NDArray[np.void]: ...
def depthwise_int8_shape(
    x: _UInt8,
    w: _Int8,
    multiplier: _Float32,
    offset: _Float32,
    zero_point: int,
    stride: _Pair,
    padding: _Padding,
    dilation: _Pair,
    clip: _Clip,
) -> npt.NDArray[np.void]: ...
def dense_int8_shape(
    x: _UInt8, w: _Int8, multiplier: _Float32, offset: _Float32, zero_point: int, clip: _Clip, floats: bool
) -> npt.NDArray[np.void]: ...
def pool_int8_shape(
    x: _UInt8,
    size: _Pair,
    stride: _Pair | None,
    padding: _Padding,
    average: bool,
    count_include_pad: bool,
    x_means: _Meaning,
    y_means: _Meaning,
) -> npt.NDArray[np.void]: ...
def add_int8_shape(
    count: int, x1_means: _Meaning, x2_means: _Meaning, y_means: _Meaning, clip: _Clip
) -> npt.NDArray[np.void]: ...
def lookup_int8_shape(count: int) -> npt.NDArray[np.void]: ...
def concat_int8_shapes(xs: Sequence[_UInt8]) -> list[npt.NDArray[np.void]]: ...
def quantize_shape(x: Sequence[int], means: _Meaning, to_floats: bool) -> npt.NDArray[np.void]: ...
def quantize(x: _Float32, means: _Meaning, block: int) -> _UInt8: ...
def dequantize(x: _UInt8, means: _Meaning, block: int) -> _Float32: ...

_Uint8 = npt.NDArray[np.uint8]
_Int32 = npt.NDArray[np.int32]
_Float64 = npt.NDArray[np.float64]

class Cascade(metaclass=_NativeType):
    def __init__(
        self,
        lbp: bool,
        window: tuple[int, int],
        cumulative: bool,
        rects: _Int32,
        weights: _Float32,
        tilted: _Int32,
        nodes: _Int32,
        thresholds: _Float32,
        leaves: _Float32,
        tables: _Float32,
        trees: _Int32,
        stages: _Int32,
        stage_thresholds: _Float32,
    ) -> None: ...
    def scan(
        self, gray: _Uint8, scale_factor: float, min_size: tuple[int, int], max_size: tuple[int, int], step: int
    ) -> tuple[_Int32, _Float64]: ...
    def scales(
        self, width: int, height: int, scale_factor: float, min_size: tuple[int, int], max_size: tuple[int, int]
    ) -> list[float]: ...
    def cost(
        self, width: int, height: int, scale_factor: float, min_size: tuple[int, int]
    ) -> tuple[float, float, float]: ...

class Trees(metaclass=_NativeType):
    def __init__(
        self,
        mean: _Float32,
        anchors: _Int32,
        offsets: _Float32,
        pairs: _Int32,
        thresholds: _Float32,
        codes: npt.NDArray[np.int8],
        basis: _Float32,
    ) -> None: ...
    @staticmethod
    def from_dlib(data: bytes) -> Trees: ...
    @property
    def points(self) -> int: ...
    @property
    def levels(self) -> int: ...
    @property
    def trees(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def pool(self) -> int: ...
    @property
    def rank(self) -> int: ...
    def run(self, gray: _Uint8, frames: _Float64, starts: _Float32 | None) -> _Float32: ...
    def cost(self, faces: int) -> tuple[float, float, float]: ...

def trees_look(
    gray: _Uint8, frames: _Float64, shapes: _Float32, mean: _Float32, anchors: _Int32, offsets: _Float32
) -> tuple[_Uint8, _Float32]: ...
def trees_grow(
    pixels: _Uint8,
    residuals: _Float32,
    weights: _Float32,
    positions: _Float32,
    units: _Float32,
    trees: int,
    depth: int,
    candidates: int,
    reach: float,
    shrinkage: float,
    damping: float,
    share: float,
    seed: int,
) -> tuple[_Int32, npt.NDArray[np.int16], npt.NDArray[np.int8]]: ...

class PlannedScan(metaclass=_NativeType):
    def __init__(
        self,
        cascade: Cascade,
        gray: _Uint8,
        scale_factor: float,
        min_size: tuple[int, int],
        max_size: tuple[int, int],
        step: int,
    ) -> None: ...
    def check(self, gray: _Uint8) -> None: ...
    def shape(self) -> npt.NDArray[np.void]: ...
    def levels(self) -> npt.NDArray[np.void]: ...
    def rows(self) -> npt.NDArray[np.void]: ...
    def taps(self) -> npt.NDArray[np.void]: ...
    def window_rows(self) -> npt.NDArray[np.void]: ...
    def hits(self, cascade: Cascade, windows: _Int32, votes: _Float64) -> tuple[_Int32, _Float64]: ...

def cascade_program(cascade: Cascade, stride: int) -> dict[str, npt.NDArray[Any]]: ...
def cascade_group(
    boxes: _Int32, votes: _Float64, threshold: int, epsilon: float
) -> tuple[_Int32, _Int32, _Float64]: ...
def suppress(
    squares: _Float64, scores: _Float64, overlap: float, inside: float
) -> tuple[npt.NDArray[np.int64], _Int32]: ...
def integral(
    gray: _Uint8, squared: bool, tilted: bool
) -> tuple[_Int32, npt.NDArray[np.int64] | None, _Int32 | None]: ...
def resize_fixed(gray: _Uint8, height: int, width: int) -> _Uint8: ...
def crop_squares(gray: _Uint8, squares: _Float64, size: int) -> _Float32: ...
