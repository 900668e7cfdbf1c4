#include "ops/integral/rows.inl.hpp"
#include "simd/vec.hpp"

namespace fk::FK_ISA {
namespace {

struct Prefix256 {
    using I = __m256i;
    static constexpr int lanes = 8;

    static I widen(const uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
    static I square(I a) { return _mm256_mullo_epi32(a, a); }
    static I prefix(I a) {
        a = _mm256_add_epi32(a, _mm256_slli_si256(a, 4));
        a = _mm256_add_epi32(a, _mm256_slli_si256(a, 8));
        const I low = _mm256_permutevar8x32_epi32(a, _mm256_set1_epi32(3));
        return _mm256_add_epi32(a, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xF0));
    }
    static int32_t total(I a) { return _mm256_extract_epi32(a, 7); }
    static void add_row(int32_t* to, const int32_t* above, I a, int32_t before) {
        const I up = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(above));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_add_epi32(_mm256_add_epi32(a, _mm256_set1_epi32(before)), up));
    }
    static void add_half(int64_t* to, const int64_t* above, __m128i a, int64_t before) {
        const I up = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(above));
        const I here = _mm256_add_epi64(_mm256_cvtepu32_epi64(a), _mm256_set1_epi64x(before));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_add_epi64(here, up));
    }
    static void add_row_wide(int64_t* to, const int64_t* above, I a, int64_t before) {
        add_half(to, above, _mm256_castsi256_si128(a), before);
        add_half(to + 4, above + 4, _mm256_extracti128_si256(a, 1), before);
    }
};

} // namespace

void integral_prefix(const IntegralLeaf& a);

void integral_prefix(const IntegralLeaf& a) { integral_rows<Prefix256>(a); }

} // namespace fk::FK_ISA
