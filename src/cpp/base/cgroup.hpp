// The share of processors that a control group leaves to this process (Linux).
#pragma once

#include <string>

namespace fk {

// CPUs allowed by the control groups, 0 when there is no limit. `membership` is /proc/self/cgroup, `mount` is
// /sys/fs/cgroup: version 2's cpu.max of the process's group and of every group above it, else version 1's quota.
double cgroup_cpus(const std::string& membership, const std::string& mount);

} // namespace fk
