#include "simd/vec.hpp"

#include "ops/machine/arithmetic.inl.hpp"
#include "ops/machine/memory.inl.hpp"
#include "ops/machine/popcount.inl.hpp"
