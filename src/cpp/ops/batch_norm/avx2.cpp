#include "simd/vec.hpp"

#include "ops/batch_norm/scale.inl.hpp"
