// Vectors of floats, and the three functions that gates are made of.
//
// Written with the vector extension of GCC and Clang, so that one text serves every processor: the
// file is compiled once per instruction set, each time in a namespace of its own.
#pragma once

#include <cstdint>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#ifndef CATENA_ARCH
#define CATENA_ARCH portable
#endif

// The pointwise part is made of small functions on registers; a call would send them through memory.
// Under a sanitizer that does not matter, and each check is compiled once.
#if defined(CATENA_SANITIZE)
#define CATENA_INLINE inline
#else
#define CATENA_INLINE inline __attribute__((always_inline))
#endif

namespace catena::CATENA_ARCH {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

// A panel is 16 columns of a packed matrix, and 16 units are what the pointwise part works on.
constexpr int kPanel = 16;
constexpr int kVectors = kPanel / kLanes;

typedef float Vector __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t Integers __attribute__((vector_size(kLanes * 4)));
typedef std::uint32_t Naturals __attribute__((vector_size(kLanes * 4)));
typedef float Unaligned __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

CATENA_INLINE Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
CATENA_INLINE void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }
CATENA_INLINE void add_to(float* p, Vector v) { store(p, load(p) + v); }

// 16 numbers: one panel's width.
struct Row {
    Vector v[kVectors];
};

#define CATENA_EACH(i) _Pragma("GCC unroll 8") for (int i = 0; i < kVectors; ++i)

CATENA_INLINE Row operator+(Row a, Row b) { CATENA_EACH(i) a.v[i] += b.v[i]; return a; }
CATENA_INLINE Row operator-(Row a, Row b) { CATENA_EACH(i) a.v[i] -= b.v[i]; return a; }
CATENA_INLINE Row operator*(Row a, Row b) { CATENA_EACH(i) a.v[i] *= b.v[i]; return a; }
CATENA_INLINE Row operator*(float a, Row b) { CATENA_EACH(i) b.v[i] *= a; return b; }
CATENA_INLINE Row operator-(float a, Row b) { CATENA_EACH(i) b.v[i] = a - b.v[i]; return b; }
CATENA_INLINE Row zeros() { Row r; CATENA_EACH(i) r.v[i] = Vector{}; return r; }

CATENA_INLINE Row load_full(const float* p) { Row r; CATENA_EACH(i) r.v[i] = load(p + i * kLanes); return r; }
CATENA_INLINE void store_full(float* p, Row r) { CATENA_EACH(i) store(p + i * kLanes, r.v[i]); }

// Some of a vector's lanes: the first `width`, which may be none or more than there are. (Sanitizers do
// not look into the instructions for this.)
#if defined(__AVX512F__) && !defined(CATENA_SANITIZE)
CATENA_INLINE __mmask16 lanes(int width) {
    return static_cast<__mmask16>(width >= kLanes ? 0xFFFF : (1u << (width > 0 ? width : 0)) - 1);
}
CATENA_INLINE Vector load_lanes(const float* p, int width) { return _mm512_maskz_loadu_ps(lanes(width), p); }
CATENA_INLINE void store_lanes(float* p, int width, Vector v) { _mm512_mask_storeu_ps(p, lanes(width), v); }
#elif defined(__AVX2__) && !defined(CATENA_SANITIZE)
CATENA_INLINE __m256i lanes(int width) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(width), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CATENA_INLINE Vector load_lanes(const float* p, int width) { return _mm256_maskload_ps(p, lanes(width)); }
CATENA_INLINE void store_lanes(float* p, int width, Vector v) { _mm256_maskstore_ps(p, lanes(width), v); }
#else
CATENA_INLINE Vector load_lanes(const float* p, int width) {
    Vector v = {};
    for (int lane = 0; lane < kLanes && lane < width; ++lane) v[lane] = p[lane];
    return v;
}
CATENA_INLINE void store_lanes(float* p, int width, Vector v) {
    for (int lane = 0; lane < kLanes && lane < width; ++lane) p[lane] = v[lane];
}
#endif

// The first `width` numbers at p, zeros after them: what lies behind is not touched.
CATENA_INLINE Row load(const float* p, int width) {
    if (width == kPanel) return load_full(p);
    Row r;
    CATENA_EACH(i) r.v[i] = load_lanes(p + i * kLanes, width - i * kLanes);
    return r;
}

CATENA_INLINE void store(float* p, int width, Row r) {
    if (width == kPanel) return store_full(p, r);
    CATENA_EACH(i) store_lanes(p + i * kLanes, width - i * kLanes, r.v[i]);
}

CATENA_INLINE Vector clamp(Vector x, float low, float high) {
    const Vector lows = Vector{} + low, highs = Vector{} + high;
    x = x < lows ? lows : x;  // a NaN compares false and stays
    return x > highs ? highs : x;
}

// exp(x) = power * (1 + rest), with power = 2^n and rest = expm1(x - n log 2), |x - n log 2| < 0.35.
struct Exponential {
    Vector power, rest;
};

CATENA_INLINE Exponential exponential(Vector x) {
    constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    Vector shifted = x * 1.44269504088896341f + kMagic;
    Vector n = shifted - kMagic;
    Vector r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    // The polynomial is that of the Cephes library's expf (Moshier 1989).
    Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    Integers bits = (reinterpret_cast<Integers>(shifted) << 23) + 0x3F800000;
    return {reinterpret_cast<Vector>(bits), p * (r * r) + r};
}

CATENA_INLINE Vector sigmoid(Vector x) {
    Exponential e = exponential(clamp(-x, -87.0f, 88.0f));
    return 1.0f / (1.0f + (e.power + e.power * e.rest));
}

// tanh(x) = E / (E + 2) with E = expm1(2x): small x loses no digits.
CATENA_INLINE Vector tanh(Vector x) {
    Exponential e = exponential(clamp(2.0f * x, -20.0f, 20.0f));
    Vector minus_one = e.power * e.rest + (e.power - 1.0f);
    return minus_one / (minus_one + 2.0f);
}

CATENA_INLINE Row sigmoid(Row r) { CATENA_EACH(i) r.v[i] = sigmoid(r.v[i]); return r; }
CATENA_INLINE Row tanh(Row r) { CATENA_EACH(i) r.v[i] = tanh(r.v[i]); return r; }

}  // namespace catena::CATENA_ARCH
