#include "simd/vec.hpp"

#include "ops/warp/sample.inl.hpp"
