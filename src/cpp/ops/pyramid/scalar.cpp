#include "simd/vec.hpp"

#include "ops/pyramid/halve.inl.hpp"
