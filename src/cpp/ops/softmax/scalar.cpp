#include "simd/vec.hpp"

#include "ops/softmax/rows.inl.hpp"
