// Sixteen values a step, where the floats' blocks are as wide as a vector or the values are a run.
#pragma once

#include <stddef.h>

#include "ops/quantize/leaf.hpp"
#include "ops/requantize.inl.hpp"

namespace fk::FK_ISA {
namespace {

#if FK_ISA_LEVEL >= 2
FK_INLINE floats16 pixel_floats(const QuantizeLeaf& l, int64_t p) { return load_floats(l.floats + p * 16); }
FK_INLINE void put_pixel(const QuantizeLeaf& l, int64_t p, floats16 v) { store_floats(l.floats + p * 16, v); }
#else
// The second block is missing where the channels end in the first.
FK_INLINE floats16 pixel_floats(const QuantizeLeaf& l, int64_t p) {
    const float* first = l.floats + p * 8;
    return {_mm256_loadu_ps(first), l.channels > 8 ? _mm256_loadu_ps(first + l.block_step) : _mm256_setzero_ps()};
}
FK_INLINE void put_pixel(const QuantizeLeaf& l, int64_t p, floats16 v) {
    _mm256_storeu_ps(l.floats + p * 8, v.lo);
    if (l.channels > 8) {
        _mm256_storeu_ps(l.floats + p * 8 + l.block_step, v.hi);
    }
}
#endif

FK_INLINE void put_bytes(const QuantizeLeaf& l, uint8_t* to, floats16 v) {
    const floats16 scaled = v * splat16(l.inverse);
    store_bytes(to, clip(scaled + splat16(static_cast<float>(l.zero_point)), splat16(0.0F), splat16(255.0F)));
}

FK_INLINE floats16 values(const QuantizeLeaf& l, const uint8_t* from) {
    int32_t zeros[16];
    for (int c = 0; c < 16; ++c) {
        zeros[c] = -l.zero_point;
    }
    return to_floats(bytes_to_lanes(from) + load_lanes(zeros)) * splat16(l.scale);
}

} // namespace

void quantize_lanes(const QuantizeLeaf& l);
void quantize_lanes(const QuantizeLeaf& l) {
    if (l.block != 0) {
        for (int64_t p = 0; p < l.pixels; ++p) {
            put_bytes(l, l.bytes + p * 16, pixel_floats(l, p));
        }
        return;
    }
    int64_t p = 0;
    for (; p + 16 <= l.pixels; p += 16) {
        put_bytes(l, l.bytes + p, load_floats(l.floats + p));
    }
    if (p < l.pixels) {
        float rest[16] = {};
        uint8_t bytes[16];
        __builtin_memcpy(rest, l.floats + p, static_cast<size_t>(l.pixels - p) * sizeof(float));
        put_bytes(l, bytes, load_floats(rest));
        __builtin_memcpy(l.bytes + p, bytes, static_cast<size_t>(l.pixels - p));
    }
}

void dequantize_lanes(const QuantizeLeaf& l);
void dequantize_lanes(const QuantizeLeaf& l) {
    if (l.block != 0) {
        for (int64_t p = 0; p < l.pixels; ++p) {
            put_pixel(l, p, values(l, l.bytes + p * 16));
        }
        return;
    }
    int64_t p = 0;
    for (; p + 16 <= l.pixels; p += 16) {
        store_floats(l.floats + p, values(l, l.bytes + p));
    }
    if (p < l.pixels) {
        uint8_t rest[16] = {};
        float floats[16];
        __builtin_memcpy(rest, l.bytes + p, static_cast<size_t>(l.pixels - p));
        store_floats(floats, values(l, rest));
        __builtin_memcpy(l.floats + p, floats, static_cast<size_t>(l.pixels - p) * sizeof(float));
    }
}

} // namespace fk::FK_ISA
