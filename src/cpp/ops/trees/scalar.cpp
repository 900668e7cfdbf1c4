#include "simd/vec.hpp"

#include "ops/trees/walk.inl.hpp"
