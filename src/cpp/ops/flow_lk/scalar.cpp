#include "simd/vec.hpp"

#include "ops/flow_lk/track.inl.hpp"
