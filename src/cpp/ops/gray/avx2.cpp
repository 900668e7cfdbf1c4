#include "simd/vec.hpp"

#include "ops/gray/pixels.inl.hpp"
