#include "simd/vec.hpp"

#include "ops/depthwise/direct.inl.hpp"
