#include "simd/vec.hpp"

#include "ops/conv2d/direct.inl.hpp"
#include "ops/conv2d/winograd.inl.hpp"
