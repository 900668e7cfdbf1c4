#include "simd/vec.hpp"

#include "ops/concat/pieces.inl.hpp"
