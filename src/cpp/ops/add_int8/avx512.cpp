#include "ops/add_int8/flat.inl.hpp"
