"""Optical flow: points followed from one frame to the next, dense flow, and what is done with flow fields.

Frames are grey, uint8 or float32 [H, W]. Rows may stand apart, in either order, so the luma plane of a YUV frame and
cut-outs are read where they stand; pixels of a row must stand together. Points are float32 (x, y) pixels, pixel
centres at integers. A flow field is float32 [H, W, 2]: the pixel (x, y) of the first frame stands at (x + u, y + v) in
the second.
"""

from ferkern.flow._dense import PRESETS, Preset, dense, refine
from ferkern.flow._field import color_wheel, endpoint_error, horn_schunck, to_color, warp
from ferkern.flow._files import read_flo, write_flo
from ferkern.flow._points import Pyramid, Track, corners, pyramid, track

__all__ = [
    "PRESETS",
    "Preset",
    "Pyramid",
    "Track",
    "color_wheel",
    "corners",
    "dense",
    "endpoint_error",
    "horn_schunck",
    "pyramid",
    "read_flo",
    "refine",
    "to_color",
    "track",
    "warp",
    "write_flo",
]
