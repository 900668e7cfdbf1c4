#include "ops/dense_int8/matvec.inl.hpp"
