#include "ops/pool_int8/sliding.inl.hpp"
