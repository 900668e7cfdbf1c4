#include "ops/lookup_int8/permute.inl.hpp"
