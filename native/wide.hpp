// Vectors of doubles, and their exponential; see simd.hpp.
#pragma once

#include <limits>

#include "simd.hpp"

namespace catena::CATENA_ARCH {

constexpr int kWide = kLanes / 2;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

typedef double Wide __attribute__((vector_size(kWide * 8)));
typedef std::int64_t Longs __attribute__((vector_size(kWide * 8)));
typedef std::uint64_t Words __attribute__((vector_size(kWide * 8)));
typedef float Narrow __attribute__((vector_size(kWide * 4)));
typedef double UnalignedWide __attribute__((vector_size(kWide * 8), aligned(8), may_alias));
typedef float UnalignedNarrow __attribute__((vector_size(kWide * 4), aligned(4), may_alias));

CATENA_INLINE Wide wide(double x) { return Wide{} + x; }
CATENA_INLINE Wide get(const double* p) { return *reinterpret_cast<const UnalignedWide*>(p); }
CATENA_INLINE Wide get(const float* p) {
    return __builtin_convertvector(static_cast<Narrow>(*reinterpret_cast<const UnalignedNarrow*>(p)), Wide);
}
CATENA_INLINE void put(double* p, Wide v) { *reinterpret_cast<UnalignedWide*>(p) = v; }
CATENA_INLINE void put(float* p, Wide v) {
    *reinterpret_cast<UnalignedNarrow*>(p) = __builtin_convertvector(v, Narrow);
}

// The first `width` numbers at p, -inf after them: what lies behind is not touched. (Sanitizers do
// not look into the instructions for this.)
#if defined(__AVX512F__) && !defined(CATENA_SANITIZE)
CATENA_INLINE Wide get(const double* p, long width) {
    return _mm512_mask_loadu_pd(wide(-kInfinity), static_cast<__mmask8>((1u << width) - 1), p);
}
#elif defined(__AVX2__) && !defined(CATENA_SANITIZE)
CATENA_INLINE Wide get(const double* p, long width) {
    const Longs there = Longs{0, 1, 2, 3} < width;
    return there ? static_cast<Wide>(_mm256_maskload_pd(p, reinterpret_cast<__m256i>(there))) : wide(-kInfinity);
}
#else
CATENA_INLINE Wide get(const double* p, long width) {
    Wide v = wide(-kInfinity);
    for (long lane = 0; lane < width; ++lane) v[lane] = p[lane];
    return v;
}
#endif
CATENA_INLINE Wide get(const float* p, long width) {
    Wide v = wide(-kInfinity);
    for (long lane = 0; lane < width; ++lane) v[lane] = p[lane];
    return v;
}

CATENA_INLINE Wide larger(Wide a, Wide b) { return a > b ? a : b; }

CATENA_INLINE double sum(Wide v) {
    double total = v[0];
    for (int lane = 1; lane < kWide; ++lane) total += v[lane];
    return total;
}

CATENA_INLINE double largest(Wide v) {
    double found = v[0];
    for (int lane = 1; lane < kWide; ++lane) found = v[lane] > found ? v[lane] : found;
    return found;
}

CATENA_INLINE bool any(Longs mask) {
    std::int64_t found = 0;
    for (int lane = 0; lane < kWide; ++lane) found |= mask[lane];
    return found != 0;
}

// exp(x) for x of at most 0; below -708 it is 0. The error is about one unit in the last place.
CATENA_INLINE Wide exponential(Wide x) {
    constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
    const Longs vanishes = x < -708.0;  // what is computed for those means nothing
    const Wide shifted = x * 1.4426950408889634 + kMagic;
    const Wide n = shifted - kMagic;
    Wide r = x - n * 0.693147180369123816490;  // its last bits are 0, so the product is exact
    r = r - n * 1.90821492927058770002e-10;
    Wide p = r * (1.0 / 6227020800) + 1.0 / 479001600;  // Taylor's series to r^13, |r| < 0.35
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const Words power = (reinterpret_cast<Words>(shifted) << 52) + (1023ULL << 52);  // may wrap
    return vanishes ? wide(0) : p * reinterpret_cast<Wide>(power);
}

}  // namespace catena::CATENA_ARCH
