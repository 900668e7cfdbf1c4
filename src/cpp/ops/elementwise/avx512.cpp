#include "simd/vec.hpp"

#include "ops/elementwise/flat.inl.hpp"
