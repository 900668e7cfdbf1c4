#include "ops/cascade/evaluate.inl.hpp"
#include "ops/cascade/resample.inl.hpp"
#include "ops/cascade/vec_avx512.inl.hpp"

namespace fk::FK_ISA {

void cascade_windows(cascade::Leaves& leaves);

void cascade_windows(cascade::Leaves& leaves) {
    leaves = {resize_row<Vec512>, blend_rows<Vec512>, integral_row<Vec512>, scan_row<Vec512>, run_stage<Vec512>};
}

} // namespace fk::FK_ISA
