#include "base/registry.hpp"

#include <algorithm>

namespace fk {

namespace {
std::vector<KernelInfo>& rows() {
    static std::vector<KernelInfo> all;
    return all;
}

struct Last {
    const char* op = nullptr;
    const char* name = nullptr;
    const char* target = nullptr;
};
thread_local Last last;
} // namespace

Registration::Registration(std::vector<KernelInfo> added) {
    rows().insert(rows().end(), added.begin(), added.end());
    std::stable_sort(rows().begin(), rows().end(), [](const auto& a, const auto& b) { return a.op < b.op; });
}

const std::vector<KernelInfo>& kernel_registry() { return rows(); }

void note_kernel(const char* op, const char* name, const char* target) { last = {op, name, target}; }

std::string last_kernel() { return last.op == nullptr ? "" : std::string(last.op) + ":" + last.name + ":" + last.target; }

} // namespace fk
