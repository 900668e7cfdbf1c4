#include "simd/lanes.hpp"

#include "ops/flow_warp/sample.inl.hpp"
