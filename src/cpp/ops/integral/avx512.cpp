#include "ops/integral/rows.inl.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

struct Prefix512 {
    using I = __m512i;
    static constexpr int lanes = 16;

    static I widen(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
    static I square(I a) { return _mm512_mullo_epi32(a, a); }
    static I prefix(I a) {
        const I zero = _mm512_setzero_si512();
        a = _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero, 15));
        a = _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero, 14));
        a = _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero, 12));
        return _mm512_add_epi32(a, _mm512_alignr_epi32(a, zero, 8));
    }
    static int32_t total(I a) { return _mm_extract_epi32(_mm512_extracti32x4_epi32(a, 3), 3); }
    static void add_row(int32_t* to, const int32_t* above, I a, int32_t before) {
        const I here = _mm512_add_epi32(a, _mm512_set1_epi32(before));
        _mm512_storeu_si512(to, _mm512_add_epi32(here, _mm512_loadu_si512(above)));
    }
    static void add_half(int64_t* to, const int64_t* above, __m256i a, int64_t before) {
        const I here = _mm512_add_epi64(_mm512_cvtepu32_epi64(a), _mm512_set1_epi64(before));
        _mm512_storeu_si512(to, _mm512_add_epi64(here, _mm512_loadu_si512(above)));
    }
    static void add_row_wide(int64_t* to, const int64_t* above, I a, int64_t before) {
        add_half(to, above, _mm512_castsi512_si256(a), before);
        add_half(to + 8, above + 8, _mm512_extracti64x4_epi64(a, 1), before);
    }
};

} // namespace

void integral_prefix(const IntegralLeaf& a);

void integral_prefix(const IntegralLeaf& a) { integral_rows<Prefix512>(a); }

} // namespace fk::FK_ISA
