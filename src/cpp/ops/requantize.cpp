#include "ops/requantize.hpp"

#include <algorithm>

namespace fk {

void check_zero_point(int zero_point) {
    require(zero_point >= 0 && zero_point <= 255, "zero_point must be from 0 to 255, is ", zero_point);
}

void check_requantization(const Requantization& r, std::int64_t channels) {
    const auto check = [&](const std::vector<float>& values, const char* name) {
        require(static_cast<std::int64_t>(values.size()) == channels, name, " has ", values.size(),
                " values, expected one for each of the ", channels, " channels");
        for (std::size_t i = 0; i < values.size(); ++i) {
            require(std::isfinite(values[i]), name, "[", i, "] = ", values[i], " is not finite");
        }
    };
    check(r.multiplier, "multiplier");
    check(r.offset, "offset");
    require(std::isfinite(r.residual_multiplier), "residual_multiplier = ", r.residual_multiplier, " is not finite");
    require(0 <= r.low && r.low <= r.high && r.high <= 255 && r.low == std::floor(r.low) && r.high == std::floor(r.high),
            "low, high must be whole numbers with 0 <= low <= high <= 255, are ", r.low, ", ", r.high);
}

PackedRequantization::PackedRequantization(const Requantization& r, std::int64_t channels)
    : multiplier_(round_up(channels, byte_block)), offset_(round_up(channels, byte_block)),
      residual_multiplier_(r.residual_multiplier), low_(r.low), high_(r.high) {
    std::copy(r.multiplier.begin(), r.multiplier.end(), multiplier_.data());
    std::copy(r.offset.begin(), r.offset.end(), offset_.data());
}

} // namespace fk
