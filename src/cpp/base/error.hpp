// The errors that the core raises; the binding maps them to ValueError, TypeError and ModelError.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace fk {

// A wrong number, shape or name: Python's ValueError.
struct ValueError : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// A wrong dtype or kind of object: Python's TypeError.
struct TypeError : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// A damaged or inconsistent model: ferkern.errors.ModelError.
struct ModelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// message("x has ", 3, " channels") -> "x has 3 channels"
template <class... Parts> std::string message(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    return text.str();
}

template <class... Parts> void require(bool condition, const Parts&... parts) {
    if (!condition) {
        throw ValueError(message(parts...));
    }
}

} // namespace fk
