#include "simd/vec.hpp"

#include "ops/reorder/transposed.inl.hpp"
