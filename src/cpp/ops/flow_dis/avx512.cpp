#include "simd/lanes.hpp"

#include "ops/flow_dis/steps.inl.hpp"
