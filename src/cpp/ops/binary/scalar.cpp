#include "simd/vec.hpp"

#include "ops/binary/pack.inl.hpp"
#include "ops/binary/portable.inl.hpp"
