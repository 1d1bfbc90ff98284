// Vectors of floats, and the three functions that gates are made of.
//
// Written with the vector extension of GCC and Clang, so that one text serves every processor: the
// file is compiled once per instruction set, each time in a namespace of its own.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef CATENA_ARCH
#define CATENA_ARCH portable
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

inline Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }

// 16 numbers: one panel's width.
struct Row {
    Vector v[kVectors];
};

#define CATENA_EACH(i) _Pragma("GCC unroll 8") for (int i = 0; i < kVectors; ++i)

inline Row operator+(Row a, Row b) { CATENA_EACH(i) a.v[i] += b.v[i]; return a; }
inline Row operator-(Row a, Row b) { CATENA_EACH(i) a.v[i] -= b.v[i]; return a; }
inline Row operator*(Row a, Row b) { CATENA_EACH(i) a.v[i] *= b.v[i]; return a; }
inline Row operator*(float a, Row b) { CATENA_EACH(i) b.v[i] *= a; return b; }
inline Row operator-(float a, Row b) { CATENA_EACH(i) b.v[i] = a - b.v[i]; return b; }
inline Row zeros() { Row r; CATENA_EACH(i) r.v[i] = Vector{}; return r; }

inline Row load_full(const float* p) { Row r; CATENA_EACH(i) r.v[i] = load(p + i * kLanes); return r; }
inline void store_full(float* p, Row r) { CATENA_EACH(i) store(p + i * kLanes, r.v[i]); }

// The first `width` numbers at p, zeros after them: what lies behind is not touched.
inline Row load(const float* p, int width) {
    if (width == kPanel) return load_full(p);
    alignas(64) float part[kPanel] = {};
    std::memcpy(part, p, sizeof(float) * static_cast<unsigned>(width));
    return load_full(part);
}

inline void store(float* p, int width, Row r) {
    if (width == kPanel) return store_full(p, r);
    alignas(64) float part[kPanel];
    store_full(part, r);
    std::memcpy(p, part, sizeof(float) * static_cast<unsigned>(width));
}

inline Vector clamp(Vector x, float low, float high) {
    const Vector lows = Vector{} + low, highs = Vector{} + high;
    x = x < lows ? lows : x;  // a NaN compares false and stays
    return x > highs ? highs : x;
}

// exp(x) = power * (1 + rest), with power = 2^n and rest = expm1(x - n log 2), |x - n log 2| < 0.35.
struct Exponential {
    Vector power, rest;
};

inline Exponential exponential(Vector x) {
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

inline Vector sigmoid(Vector x) {
    Exponential e = exponential(clamp(-x, -87.0f, 88.0f));
    return 1.0f / (1.0f + (e.power + e.power * e.rest));
}

// tanh(x) = E / (E + 2) with E = expm1(2x): small x loses no digits.
inline Vector tanh(Vector x) {
    Exponential e = exponential(clamp(2.0f * x, -20.0f, 20.0f));
    Vector minus_one = e.power * e.rest + (e.power - 1.0f);
    return minus_one / (minus_one + 2.0f);
}

inline Row sigmoid(Row r) { CATENA_EACH(i) r.v[i] = sigmoid(r.v[i]); return r; }
inline Row tanh(Row r) { CATENA_EACH(i) r.v[i] = tanh(r.v[i]); return r; }

}  // namespace catena::CATENA_ARCH
