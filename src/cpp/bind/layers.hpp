// What the bindings of the layers share.
#pragma once

#include <array>

#include "base/scratch.hpp"
#include "base/tensor.hpp"
#include "base/threads.hpp"
#include "bind/convert.hpp"
#include "ops/reorder/reorder.hpp"

namespace fk {

inline std::array<std::int64_t, 4> four(const View<const float>& x) { return {x.dims[0], x.dims[1], x.dims[2], x.dims[3]}; }

// An optional vector of weights: its view (data null where there is none) and what keeps its memory.
struct Vector {
    py::array owner;
    View<const float> view;

    Vector(const py::object& object, const char* name) {
        if (!object.is_none()) {
            view = view_in<float>(object, name, 1, 1, owner);
        }
    }
    std::int64_t length() const { return view.data != nullptr ? view.dims[0] : -1; }
    // Dense copy, empty (null) where there is none.
    Tensor<float> dense() const { return dense_copy(view); }

    static Tensor<float> dense_copy(const View<const float>& from) {
        if (from.data == nullptr) {
            return {};
        }
        Tensor<float> copy(from.size());
        copy_dense(from, copy.data());
        return copy;
    }
};

// Dense values of a view: its own memory where it is contiguous, else a copy that `storage` keeps.
inline const float* dense_values(const View<const float>& x, Tensor<float>& storage) {
    if (x.contiguous()) {
        return x.data;
    }
    storage = Vector::dense_copy(x);
    return storage.data();
}

// x [n, c, h, w] -> blocked channels -> run(blocked x, blocked y, scratch) -> y [n, out_channels, pixels].
template <class Plan, class Run> void through_blocks(const Plan& plan, const View<const float>& x, std::int64_t out_channels,
                                                     std::int64_t out_pixels, float* y, int threads, Run&& run) {
    const auto& [n, c, h, w, unused] = x.dims;
    const KeepAwake awake(threads);
    const int block = plan.block();
    Scratch scratch(plan.scratch(), threads);
    Tensor<float> blocked_x = Tensor<float>::unset(n * round_up(c, block) * h * w);
    Tensor<float> blocked_y = Tensor<float>::unset(n * round_up(out_channels, block) * out_pixels);
    reorder::to_blocked(x, block, blocked_x.data(), threads);
    run(blocked_x.data(), blocked_y.data(), scratch);
    reorder::from_blocked(blocked_y.data(), n, out_channels, out_pixels, block, y, threads);
}

} // namespace fk
