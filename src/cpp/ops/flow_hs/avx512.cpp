#include "simd/vec.hpp"

#include "ops/flow_hs/rows.inl.hpp"
