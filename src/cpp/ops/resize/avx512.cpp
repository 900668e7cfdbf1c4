#include "simd/vec.hpp"

#include "ops/resize/separable.inl.hpp"
