#include "ops/conv2d_int8/direct.inl.hpp"
