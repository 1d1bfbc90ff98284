// What a softmax divides by and the best of each row; compiled once for each instruction set.
//
// A row is a few thousand numbers, so that it is in the first cache when it is read again.
#include "rows.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "simd.hpp"
#include "threads.hpp"

namespace catena::CATENA_ARCH {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
// Numbers that are added up in float32 before double takes over.
constexpr long kBlock = 512;

// 16 numbers of a row; beyond its end -inf, whose exp is 0.
CATENA_INLINE Row some(const float* row, long at, long columns) {
    if (at + kPanel <= columns) return load_full(row + at);
    alignas(64) float rest[kPanel];
    std::fill(rest, rest + kPanel, kNone);
    std::copy(row + at, row + columns, rest);
    return load_full(rest);
}

float largest(const float* row, long columns) {
    Row top;
    CATENA_EACH(i) top.v[i] = Vector{} + kNone;
    for (long at = 0; at < columns; at += kPanel) {
        const Row own = some(row, at, columns);
        CATENA_EACH(i) top.v[i] = own.v[i] > top.v[i] ? own.v[i] : top.v[i];
    }
    float found = kNone;
    CATENA_EACH(i) for (int lane = 0; lane < kLanes; ++lane) found = std::max(found, top.v[i][lane]);
    return found;
}

double sum_of_block(const float* row, long first, long last, long columns, float top) {
    Row sum = zeros();
    for (long at = first; at < last; at += kPanel) {
        const Row own = some(row, at, columns);
        CATENA_EACH(i) {
            const Exponential e = exponential(clamp(own.v[i] - top, -87.0f, 0.0f));
            sum.v[i] += e.power + e.power * e.rest;
        }
    }
    double total = 0;
    CATENA_EACH(i) for (int lane = 0; lane < kLanes; ++lane) total += sum.v[i][lane];
    return total;
}

double log_sum(const float* row, long columns) {
    const float top = largest(row, columns);
    if (std::isinf(top)) return top;
    double total = 0;
    for (long first = 0; first < columns; first += kBlock) {
        total += sum_of_block(row, first, std::min(first + kBlock, columns), columns, top);
    }
    return top + std::log(total);
}

// The k best of what was offered so far.
class Best {
public:
    Best(long k, float* values, std::int64_t* places) : k_(k), values_(values), places_(places) {
        std::fill(values, values + k, kNone);
        std::fill(places, places + k, 0);
    }

    float least() const { return values_[k_ - 1]; }

    // Equals that come later stand behind.
    void offer(float value, long place) {
        if (!(value > least())) return;
        long at = std::upper_bound(values_, values_ + k_ - 1, value, std::greater<float>()) - values_;
        std::copy_backward(values_ + at, values_ + k_ - 1, values_ + k_);
        std::copy_backward(places_ + at, places_ + k_ - 1, places_ + k_);
        values_[at] = value;
        places_[at] = place;
    }

private:
    long k_;
    float* values_;
    std::int64_t* places_;
};

CATENA_INLINE bool exceeds(const Row& row, float least) {
    Integers found = {};
    CATENA_EACH(i) found |= row.v[i] > Vector{} + least;
    std::int64_t parts[kLanes / 2], any = 0;
    __builtin_memcpy(parts, &found, sizeof parts);
    for (const std::int64_t part : parts) any |= part;
    return any != 0;
}

void top_of_row(const float* row, long columns, Best best) {
    for (long at = 0; at < columns; at += kPanel) {
        if (!exceeds(some(row, at, columns), best.least())) continue;
        const long last = std::min(at + kPanel, columns);
        for (long place = at; place < last; ++place) best.offer(row[place], place);
    }
}

// Each member takes rows that lie together.
template <class Call, class Each>
void share(const Call& call, const Member& member, const Each& each) {
    const long last = call.from.rows * (member.index + 1) / member.count;
    for (long row = call.from.rows * member.index / member.count; row < last; ++row) {
        each(row, call.from.scores + row * call.from.pitch);
    }
}

void log_sums(const LogSums& call) {
    run_team(call.from.threads, [](void* context, const Member& member) {
        const LogSums& own = *static_cast<const LogSums*>(context);
        share(own, member, [&](long row, const float* at) { own.to[row] = log_sum(at, own.from.columns); });
    }, const_cast<LogSums*>(&call));
}

void top(const TopOfRows& call) {
    run_team(call.from.threads, [](void* context, const Member& member) {
        const TopOfRows& own = *static_cast<const TopOfRows*>(context);
        share(own, member, [&](long row, const float* at) {
            top_of_row(at, own.from.columns, {own.k, own.values + row * own.k, own.places + row * own.k});
        });
    }, const_cast<TopOfRows*>(&call));
}

constexpr RowKernels kKernels{log_sums, top};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) row_kernels_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const RowKernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
