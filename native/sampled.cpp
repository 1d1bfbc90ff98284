// The softmax over shared samples; compiled once for each instruction set.
#include "sampled.hpp"

#include <cmath>
#include <limits>

#include "simd.hpp"

namespace catena::CATENA_ARCH {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kVanishes = -87.0f;  // exp of less is none of float's normal numbers

CATENA_INLINE float largest(Vector v) {
    float found = v[0];
    for (int lane = 1; lane < kLanes; ++lane) found = v[lane] > found ? v[lane] : found;
    return found;
}

CATENA_INLINE float total(Vector v) {
    float sum = v[0];
    for (int lane = 1; lane < kLanes; ++lane) sum += v[lane];
    return sum;
}

// row += shift; returns the largest.
float shifted(float* row, const float* shift, long items) {
    Vector most = Vector{} - kInfinity;
    long j = 0;
    for (; j + kLanes <= items; j += kLanes) {
        const Vector z = load(row + j) + load(shift + j);
        store(row + j, z);
        most = z > most ? z : most;
    }
    float found = largest(most);
    for (; j < items; ++j) {
        row[j] += shift[j];
        found = row[j] > found ? row[j] : found;
    }
    return found;
}

CATENA_INLINE Vector powers(Vector z) {
    const Exponential e = exponential(clamp(z, kVanishes, 88.0f));
    const Vector found = e.power + e.power * e.rest;
    return z < kVanishes ? Vector{} : found;
}

// row = exp(row - most); returns the sum.
float raised(float* row, float most, long items) {
    Vector sum = {};
    long j = 0;
    for (; j + kLanes <= items; j += kLanes) {
        const Vector e = powers(load(row + j) - most);
        store(row + j, e);
        sum += e;
    }
    if (const int left = static_cast<int>(items - j)) {
        // Zeros are loaded beyond the end, and what becomes of them is not summed.
        alignas(64) float last[kLanes] = {};
        store_lanes(last, left, powers(load_lanes(row + j, left) - most));
        sum += load(last);
        store_lanes(row + j, left, load(last));
    }
    return total(sum);
}

void scale(float* row, float by, long items) {
    for (long j = 0; j < items; ++j) row[j] *= by;
}

void softmax(const SampledSoftmax& call) {
    for (long r = 0; r < call.rows; ++r) {
        float* row = call.products + r * call.items;
        const long own = call.own[r];
        const float mine = row[own] + call.bias[own];
        row[own] = -kInfinity;
        const float others = shifted(row, call.shift, call.items);
        const float most = others > mine ? others : mine;
        row[own] = mine;
        const float sum = raised(row, most, call.items);
        call.gain[r] = mine - most - std::log(sum);
        scale(row, -1.0f / sum, call.items);
        row[own] += 1.0f;
    }
}

void add(const AddRows& call) {
    for (long r = 0; r < call.count; ++r) {
        const float* __restrict from = call.from + r * call.width;
        float* __restrict to = call.to + call.place[r] * call.width;
        for (long j = 0; j < call.width; ++j) to[j] += from[j];
    }
}

constexpr SampledKernels kKernels{softmax, add};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) sampled_kernels_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const SampledKernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
