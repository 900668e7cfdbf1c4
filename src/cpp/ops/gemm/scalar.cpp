#include "simd/vec.hpp"

#include "ops/gemm/packed.inl.hpp"
