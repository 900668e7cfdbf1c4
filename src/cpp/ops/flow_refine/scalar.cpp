#include "simd/lanes.hpp"

#include "ops/flow_refine/rows.inl.hpp"
