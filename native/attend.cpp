// Attention by products; compiled once for each instruction set.
//
// Each query is worked on by itself, so that its result does not depend, in any bit, on the others. The
// rows of a beam lie together: what one of them read of their memory is near for the next.
#include "attend.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "simd.hpp"
#include "threads.hpp"

namespace catena::CATENA_ARCH {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr int kKeys = 4;     // whose products with a query are made together
constexpr int kPanels = 4;   // of 16 numbers of a context, likewise

inline long least(long a, long b) { return a < b ? a : b; }

template <int Keys>
void products(const float* query, const float* keys, long width, float* to) {
    Vector sum[Keys] = {};
    long j = 0;
    for (; j + kLanes <= width; j += kLanes) {
        const Vector x = load(query + j);
#pragma GCC unroll 8
        for (int k = 0; k < Keys; ++k) sum[k] += x * load(keys + k * width + j);
    }
    if (const int left = static_cast<int>(width - j)) {
        const Vector x = load_lanes(query + j, left);
#pragma GCC unroll 8
        for (int k = 0; k < Keys; ++k) sum[k] += x * load_lanes(keys + k * width + j, left);
    }
    for (int k = 0; k < Keys; ++k) {
        to[k] = sum[k][0];
        for (int lane = 1; lane < kLanes; ++lane) to[k] += sum[k][lane];
    }
}

void scores(const float* query, const float* keys, long steps, long width, float* to) {
    long s = 0;
    for (; s + kKeys <= steps; s += kKeys) products<kKeys>(query, keys + s * width, width, to + s);
    for (; s < steps; ++s) products<1>(query, keys + s * width, width, to + s);
}

// In place; `e` has room for whole panels.
void softmax(float* e, long steps) {
    const long whole = (steps + kPanel - 1) / kPanel * kPanel;
    std::fill(e + steps, e + whole, kNone);
    const float top = *std::max_element(e, e + steps);
    double total = 0;
    for (long s = 0; s < whole; s += kPanel) {
        Row row = load_full(e + s);
        CATENA_EACH(i) {
            const Exponential own = exponential(clamp(row.v[i] - top, -87.0f, 0.0f));
            row.v[i] = own.power + own.power * own.rest;
        }
        store_full(e + s, row);
        for (long r = s; r < least(s + kPanel, steps); ++r) total += e[r];
    }
    const float share = static_cast<float>(1 / total);
    for (long s = 0; s < steps; ++s) e[s] *= share;
}

template <int Panels>
void mix(const float* a, const float* values, long steps, long shown, float* to) {
    Row sum[Panels] = {};
    for (long s = 0; s < steps; ++s) {
#pragma GCC unroll 4
        for (int p = 0; p < Panels; ++p) sum[p] = sum[p] + a[s] * load_full(values + s * shown + p * kPanel);
    }
    for (int p = 0; p < Panels; ++p) store_full(to + p * kPanel, sum[p]);
}

void mix(const float* a, const float* values, long steps, long shown, float* to) {
    long c = 0;
    for (; c + kPanels * kPanel <= shown; c += kPanels * kPanel) mix<kPanels>(a, values + c, steps, shown, to + c);
    for (; c + kPanel <= shown; c += kPanel) mix<1>(a, values + c, steps, shown, to + c);
    if (c == shown) return;
    const int left = static_cast<int>(shown - c);
    Row sum = zeros();
    for (long s = 0; s < steps; ++s) sum = sum + a[s] * load(values + s * shown + c, left);
    store(to + c, left, sum);
}

const float* at(std::uintptr_t address) { return reinterpret_cast<const float*>(address); }

void look(const Attend& call, long row, float* e) {
    const Memories& m = call.memories;
    const std::int64_t own = call.owner[row];
    const long steps = m.steps[own];
    float* weights = call.weights + row * m.longest;
    std::fill(weights, weights + m.longest, 0.0f);
    float* context = call.context + row * m.heads * m.shown;
    if (!steps) return static_cast<void>(std::fill(context, context + m.heads * m.shown, 0.0f));
    for (long head = 0; head < m.heads; ++head) {
        const long before = head * m.pitch[own];
        scores(call.queries + (row * m.heads + head) * m.width, at(m.keys[own]) + before * m.width, steps, m.width, e);
        softmax(e, steps);
        mix(e, at(m.values[own]) + before * m.shown, steps, m.shown, context + head * m.shown);
        for (long s = 0; s < steps; ++s) weights[s] += e[s] / static_cast<float>(m.heads);
    }
}

void attend(const Attend& call) {
    run_team(call.threads, [](void* context, const Member& member) {
        const Attend& own = *static_cast<const Attend*>(context);
        std::vector<float> room(own.memories.longest + kPanel);
        const long last = own.rows * (member.index + 1) / member.count;
        for (long row = own.rows * member.index / member.count; row < last; ++row) look(own, row, room.data());
    }, const_cast<Attend*>(&call));
}

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) attend_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
void CATENA_NAME(CATENA_ARCH)(const Attend& call) { CATENA_ARCH::attend(call); }
}  // namespace catena
