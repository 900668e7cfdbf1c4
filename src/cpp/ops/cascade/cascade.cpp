#include "ops/cascade/cascade.hpp"

#include "ops/cascade/leaf.hpp"
#include "ops/op.hpp"

namespace fk {

#define FK_KERNEL(isa, name, function, eligible, block)                                                                          \
    namespace isa {                                                                                                              \
    void function(cascade::Leaves&);                                                                                             \
    }
#include "ops/cascade/kernels.inc"
#undef FK_KERNEL

namespace cascade {

namespace {

using KernelRow = Row<Cascade, Provider>;

constexpr std::array rows = std::to_array<KernelRow>({
#define FK_KERNEL(isa, name, function, eligible, block) {Isa::isa, name, &isa::function, &eligible<Cascade>, block},
#include "ops/cascade/kernels.inc"
#undef FK_KERNEL
});
const Registration registration = register_rows("cascade", rows);

} // namespace

Leaves choose_leaves(const Cascade& cascade) {
    Leaves leaves{};
    choose_row("cascade", rows, cascade).function(leaves);
    return leaves;
}

Cost cost(const Cascade& cascade, const Params& params, std::int32_t width, std::int32_t height) {
    double pixels = 0;
    for (const float scale : scales(cascade, params, width, height)) {
        pixels += double(width) / double(scale) * (double(height) / double(scale));
    }
    // A pixel of a level: six operations to resize it, three for each of its integral images.
    const double images = cascade.kind == FeatureKind::haar ? 2.0 : 1.0;
    return {.flops = pixels * (6.0 + 3.0 * images), .bytes_read = double(width) * height, .bytes_written = 0.0};
}

} // namespace cascade
} // namespace fk
