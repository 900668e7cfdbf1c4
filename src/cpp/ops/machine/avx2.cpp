#include "simd/vec.hpp"

#include "ops/machine/popcount.inl.hpp"
