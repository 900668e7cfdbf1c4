#include "base/cgroup.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace fk {

namespace {

// "max 100000" or "150000 100000": quota and period in microseconds.
double version_2_limit(const std::string& file) {
    std::ifstream stream(file);
    std::string quota;
    double period = 0;
    if (!(stream >> quota >> period) || quota == "max" || !(period > 0)) {
        return 0;
    }
    return std::max(0.0, std::strtod(quota.c_str(), nullptr) / period);
}

double version_1_limit(const std::string& folder) {
    std::ifstream quota_stream(folder + "/cpu.cfs_quota_us");
    std::ifstream period_stream(folder + "/cpu.cfs_period_us");
    double quota = 0;
    double period = 0;
    return quota_stream >> quota && period_stream >> period && quota > 0 && period > 0 ? quota / period : 0;
}

double smaller_limit(double a, double b) { return a > 0 && b > 0 ? std::min(a, b) : std::max(a, b); }

// The process's group in version 2's one tree: the line "0::/a/b".
std::string group_of(const std::string& membership) {
    std::ifstream stream(membership);
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with("0::/")) {
            return line.substr(3);
        }
    }
    return "/";
}

} // namespace

double cgroup_cpus(const std::string& membership, const std::string& mount) {
    double limit = version_2_limit(mount + "/cpu.max");
    // A limit holds for all groups below it. Inside a container the path may not exist under the mount: then only the
    // mount's own file tells.
    for (std::string group = group_of(membership); group.size() > 1; group.resize(group.find_last_of('/'))) {
        limit = smaller_limit(limit, version_2_limit(mount + group + "/cpu.max"));
    }
    return limit > 0 ? limit : version_1_limit(mount + "/cpu");
}

} // namespace fk
