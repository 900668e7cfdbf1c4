#include "simd/vec.hpp"

#include "ops/binary/lookup.inl.hpp"
#include "ops/binary/pack.inl.hpp"
