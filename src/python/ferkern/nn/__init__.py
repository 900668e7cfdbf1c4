"""Layers of neural networks as functions on NumPy arrays, computed by ferkern's kernels.

Arrays are float32 in NCHW order, of any strides; nothing is cast or copied in silence.
"""

from ferkern.nn._binary import (
    binarize,
    binary_conv2d,
    binary_dense,
    binary_weight_conv2d,
    binary_weight_dense,
    fold_batch_norm_sign,
    sign_bits,
)
from ferkern.nn._binary_types import BinaryFilters, BinaryTensor, SignThreshold
from ferkern.nn._channels import batch_norm, concat, local_response_norm
from ferkern.nn._convolution import conv2d, depthwise_conv2d, depthwise_separable
from ferkern.nn._dense import dense, softmax
from ferkern.nn._pointwise import activate, add
from ferkern.nn._pooling import avg_pool2d, global_avg_pool, global_max_pool, l2_pool2d, max_pool2d

__all__ = [
    "BinaryFilters",
    "BinaryTensor",
    "SignThreshold",
    "activate",
    "add",
    "avg_pool2d",
    "batch_norm",
    "binarize",
    "binary_conv2d",
    "binary_dense",
    "binary_weight_conv2d",
    "binary_weight_dense",
    "concat",
    "conv2d",
    "dense",
    "depthwise_conv2d",
    "depthwise_separable",
    "fold_batch_norm_sign",
    "global_avg_pool",
    "global_max_pool",
    "l2_pool2d",
    "local_response_norm",
    "max_pool2d",
    "sign_bits",
    "softmax",
]
