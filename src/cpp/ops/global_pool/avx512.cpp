#include "simd/vec.hpp"

#include "ops/global_pool/whole.inl.hpp"
