#include "ops/quantize/lanes.inl.hpp"
