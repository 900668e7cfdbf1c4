#include "simd/vec.hpp"
#include "simd/vecd.hpp"

#include "ops/svd/steps.inl.hpp"
