// Sums over whole rows, for layer normalisation.
#pragma once

#include "simd.hpp"

namespace catena::CATENA_ARCH {

constexpr float kEpsilon = 1e-5f;

CATENA_INLINE float total(Row r) {
    float sum = 0;
    for (int i = 0; i < kVectors; ++i) {
        for (int lane = 0; lane < kLanes; ++lane) sum += r.v[i][lane];
    }
    return sum;
}

CATENA_INLINE int width_at(long at, long length) {
    return static_cast<int>(length - at < kPanel ? length - at : kPanel);
}

CATENA_INLINE Row spread(float x) {
    Row r;
    CATENA_EACH(i) r.v[i] = Vector{} + x;
    return r;
}

// (x - mean) * scale has mean 0 and, but for ε, variance 1.
struct Moments {
    float mean, scale;

    CATENA_INLINE Row normal(Row x) const { return scale * (x - spread(mean)); }
};

inline Moments moments(const float* x, long length) {
    Row sum = zeros(), square = zeros();
    for (long i = 0; i < length; i += kPanel) sum = sum + load(x + i, width_at(i, length));
    const float mean = total(sum) / static_cast<float>(length);
    for (long i = 0; i < length; i += kPanel) {
        const int width = width_at(i, length);
        alignas(64) float away[kPanel] = {};  // zeros past the end
        store(away, width, load(x + i, width) - spread(mean));
        square = square + load_full(away) * load_full(away);
    }
    const float variance = total(square) / static_cast<float>(length);
    return {mean, 1.0f / __builtin_sqrtf(variance + kEpsilon)};
}

// The way back through `normal`: given d, the gradient of the normal values y, that of x.
struct Projection {
    Row along = zeros(), across = zeros();

    CATENA_INLINE void add(Row d, Row y) {
        along = along + d;
        across = across + d * y;
    }
};

struct Back {
    float scale, mean, slope;

    Back(const Projection& sums, float scale, long length)
        : scale(scale),
          mean(total(sums.along) / static_cast<float>(length)),
          slope(total(sums.across) / static_cast<float>(length)) {}

    CATENA_INLINE Row operator()(Row d, Row y) const { return scale * (d - spread(mean) - slope * y); }
};

CATENA_INLINE void add_to(float* sum, int width, Row r) { store(sum, width, load(sum, width) + r); }

}  // namespace catena::CATENA_ARCH
