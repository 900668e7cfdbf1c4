// A grey frame as an argument: uint8 or float32 [H, W], read where it stands.
#pragma once

#include "bind/convert.hpp"

namespace fk {

struct GreyFrame {
    GreyFrame(const py::object& object, const char* name);
    // Throws where a float32 frame holds what is not finite or beyond 256 times `white`.
    void require_sound(const char* name, double white) const;
    // What is sent to a device: the frame itself where it is dense, else a copy.
    [[nodiscard]] py::array dense() const;

    py::array owner;
    const void* pixels = nullptr;
    std::array<std::int64_t, 2> size{};
    std::int64_t row = 0, pixel = 1; // strides, elements
    bool is_float = false;

  private:
    template <class T> void read(const py::array& array, const char* name);
};

// True where all values are finite and at most `most`, sign apart.
bool within(const float* values, std::int64_t row, std::int64_t height, std::int64_t width, float most);

} // namespace fk
