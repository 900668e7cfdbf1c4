#include "ops/depthwise_int8/quads.inl.hpp"
