#include "ops/depthwise_int8/pairs.inl.hpp"
