// Element types that cross the border.
#pragma once

#include <cstdint>

namespace fk {

template <class T> struct DtypeName;
template <> struct DtypeName<float> {
    static constexpr const char* value = "float32";
};
template <> struct DtypeName<double> {
    static constexpr const char* value = "float64";
};
template <> struct DtypeName<std::uint8_t> {
    static constexpr const char* value = "uint8";
};
template <> struct DtypeName<std::int32_t> {
    static constexpr const char* value = "int32";
};
template <> struct DtypeName<std::uint32_t> {
    static constexpr const char* value = "uint32";
};
template <> struct DtypeName<std::int8_t> {
    static constexpr const char* value = "int8";
};
template <> struct DtypeName<std::int64_t> {
    static constexpr const char* value = "int64";
};

} // namespace fk
