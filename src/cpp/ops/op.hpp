// What every op provides, and how a kernel is chosen from its list.
//
// An op is a folder:  <op>.hpp  Params -> infer() -> Shape -> cost(), and Plan;  <op>.cpp  the plan;  leaf.hpp  the
// argument block of its kernels (plain data, the only header that code for an instruction set shares with the rest);
// kernels.inc  the list;  reference.cpp  the plain loops;  *.inl.hpp  templates;  scalar.cpp avx2.cpp avx512.cpp.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/isa.hpp"
#include "base/registry.hpp"

namespace fk {

// Work of one call: floating-point operations (a multiply-add counts two) and bytes that must move at least once.
struct Cost {
    double flops = 0;
    double bytes_read = 0;
    double bytes_written = 0;
    double weight_bytes = 0; // of those read: once for a whole batch
    double work = 0;         // operations that the chosen kernel does in place of `flops`; 0: just those
};

// One row of kernels.inc: FK_KERNEL(isa, name, function, eligible). `block` is the number of channels that the row
// keeps side by side (1: plain NCHW).
template <class Shape, class Function> struct Row {
    Isa isa;
    const char* name;
    Function function;
    bool (*eligible)(const Shape&);
    int block;
};

// One row of kernels.inc that runs on a device: FK_DEVICE_KERNEL(target, name, function, eligible). `function` names the
// kernel in kernels/opencl/<op>.cl; how it is launched stands in ferkern/opencl/ops/<op>.py.
template <class Shape> struct DeviceRow {
    const char* target;
    const char* name;
    const char* function;
    bool (*eligible)(const Shape&);
};

// Floats in a vector of an instruction set: the channel block of its kernels.
constexpr int isa_lanes(Isa isa) { return isa == Isa::scalar ? 4 : isa == Isa::avx2 ? 8 : 16; }

template <class Shape> bool always(const Shape&) { return true; }

template <class Rows> Registration register_rows(const char* op, const Rows& rows) {
    std::vector<KernelInfo> infos;
    infos.reserve(rows.size());
    for (const auto& row : rows) {
        infos.push_back({op, row.name, isa_name(row.isa)});
    }
    return Registration(infos);
}

template <class Rows> Registration register_device_rows(const char* op, const Rows& rows) {
    std::vector<KernelInfo> infos;
    infos.reserve(rows.size());
    for (const auto& row : rows) {
        infos.push_back({op, row.name, row.target});
    }
    return Registration(infos);
}

// The row of the best instruction set that the calling thread's choice admits and that serves the shape: there the one that
// costs least; ties are broken by the order of the list. A row whose name is "reference" is the plain meaning of the op: it
// serves where nothing else does. Under strict it is refused where a row before it was admitted but does not serve the shape:
// where it is the best there is, nothing is fallen back from. `block` other than 0 asks for rows that work on that channel block.
struct NoCost {
    template <class R> double operator()(const R& /*row*/) const { return 0; }
};
template <class Rows, class Shape, class RowCost = NoCost>
const auto& choose_row(const char* op, const Rows& rows, const Shape& shape, int block = 0, const RowCost& row_cost = {}) {
    const Choice& choice = current_choice();
    const auto* best = static_cast<decltype(&rows[0])>(nullptr);
    bool passed_over = false;
    for (const auto& row : rows) {
        const bool named = choice.kernel.empty() || choice.kernel == row.name;
        const bool isa_fits = choice.exact ? row.isa == choice.isa : row.isa <= choice.isa;
        if (!named || !isa_fits) {
            continue;
        }
        if (!row.eligible(shape) || (block != 0 && row.block != block)) {
            passed_over = true;
            continue;
        }
        const bool plain = std::string_view(row.name) == "reference";
        if (best != nullptr && (row.isa != best->isa || plain)) {
            break;
        }
        require(!choice.strict || !passed_over || !plain, op, ": only the plain reference serves this shape, and strict is set");
        if (best == nullptr || row_cost(row) < row_cost(*best)) {
            best = &row;
        }
    }
    if (best != nullptr) {
        note_kernel(op, best->name, best->isa);
        return *best;
    }
    throw ValueError(message(op, ": no kernel", choice.kernel.empty() ? "" : " named '", choice.kernel,
                             choice.kernel.empty() ? "" : "'", " serves this shape", choice.exact ? " on exactly " : " up to ",
                             isa_name(choice.isa)));
}

// The same for a device: the instruction set plays no part, the kernel's name and strictness do.
template <class Rows, class Shape>
const auto& choose_device_row(const char* op, const Rows& rows, const Shape& shape, std::string_view target) {
    const Choice& choice = current_choice();
    bool passed_over = false;
    for (const auto& row : rows) {
        const bool named = choice.kernel.empty() || choice.kernel == row.name;
        if (!named || target != row.target) {
            continue;
        }
        if (!row.eligible(shape)) {
            passed_over = true;
            continue;
        }
        require(!choice.strict || !passed_over || std::string_view(row.name) != "reference", op,
                ": only the plain reference serves this shape on ", row.target, ", and strict is set");
        note_kernel(op, row.name, row.target);
        return row;
    }
    throw ValueError(message(op, ": no kernel", choice.kernel.empty() ? "" : " named '", choice.kernel,
                             choice.kernel.empty() ? "" : "'", " serves this shape on ", target));
}

} // namespace fk
