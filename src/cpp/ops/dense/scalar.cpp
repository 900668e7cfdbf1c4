#include "simd/vec.hpp"

#include "ops/dense/matvec.inl.hpp"
