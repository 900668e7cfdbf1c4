// The cascade as kernels read it, with the places of its corners for one layout of the integral images.
#pragma once

#include <vector>

#include "ops/cascade/cascade.hpp"
#include "ops/cascade/leaf.hpp"

namespace fk::cascade {

// Where a column of a window's row lies; half > 0: even columns stand first, odd ones from `half` on.
struct Placement {
    std::int32_t stride = 0, half = 0;
    [[nodiscard]] std::int32_t operator()(std::int32_t dx, std::int32_t dy) const noexcept {
        return dy * stride + (half > 0 ? dx / 2 + (dx % 2) * half : dx);
    }
};

struct Flat {
    std::vector<FlatNode> nodes;
    std::vector<FlatTree> trees;
    std::vector<FlatStage> stages;
    Program program{};
};

// Leaves and tables stay the cascade's.
Flat flatten(const Cascade& cascade, const Placement& place);

} // namespace fk::cascade
