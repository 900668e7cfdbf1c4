#include "simd/vec.hpp"

#include "ops/dense/dot.inl.hpp"
#include "ops/dense/matvec.inl.hpp"
