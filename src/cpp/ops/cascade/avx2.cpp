#include "ops/cascade/evaluate.inl.hpp"
#include "ops/cascade/resample.inl.hpp"
#include "ops/cascade/vec_avx2.inl.hpp"

namespace fk::FK_ISA {

void cascade_windows(cascade::Leaves& leaves);

void cascade_windows(cascade::Leaves& leaves) {
    leaves = {resize_row<Vec256>, blend_rows<Vec256>, integral_row<Vec256>, scan_row<Vec256>, run_stage<Vec256>};
}

} // namespace fk::FK_ISA
