#include "simd/vec.hpp"

#include "ops/local_response_norm/line.inl.hpp"
