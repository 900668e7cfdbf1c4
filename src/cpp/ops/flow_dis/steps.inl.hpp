// The table of steps of one instruction set.
#pragma once

#include "ops/flow_dis/planes.inl.hpp"
#include "ops/flow_dis/search.inl.hpp"

namespace fk::FK_ISA {
namespace {

constexpr DisKernels table{&convert_row, &halve_row, &search_row, &divide_row, &expand_row};

} // namespace

const DisKernels* flow_dis_rows();
const DisKernels* flow_dis_rows() { return &table; }

} // namespace fk::FK_ISA
