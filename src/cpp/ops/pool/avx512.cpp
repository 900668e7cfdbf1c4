#include "simd/vec.hpp"

#include "ops/pool/sliding.inl.hpp"
