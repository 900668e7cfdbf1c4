#include "simd/vec.hpp"

#include "ops/corners/eigenvalues.inl.hpp"
