// The best of many items, and Adagrad for rows of a table; compiled once for each instruction set.
#include "items.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "simd.hpp"

namespace catena::CATENA_ARCH {
namespace {

struct Scored {
    float score;
    std::int64_t item;
};

// Whether a comes before b: the higher score, of equals the first.
inline bool before(const Scored& a, const Scored& b) {
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

// The k first of what was offered.
class Best {
public:
    explicit Best(long k) : k_(static_cast<std::size_t>(k)) { held_.reserve(k_ + 1); }

    // A score below this changes nothing.
    float least() const {
        return held_.size() < k_ ? -std::numeric_limits<float>::infinity() : held_.front().score;
    }

    void offer(Scored one) {
        if (held_.size() == k_ && !before(one, held_.front())) return;
        held_.push_back(one);
        std::push_heap(held_.begin(), held_.end(), before);
        if (held_.size() <= k_) return;
        std::pop_heap(held_.begin(), held_.end(), before);
        held_.pop_back();
    }

    std::vector<Scored>& in_order() {
        std::sort_heap(held_.begin(), held_.end(), before);
        return held_;
    }

private:
    std::size_t k_;
    std::vector<Scored> held_;
};

// What sums of products in float may be off by, as a share of the product of the lengths.
constexpr float kRounding = 1e-5f;
constexpr float kSteps = 63;

float length(const float* from, long count) {
    double sum = 0;
    for (long j = 0; j < count; ++j) sum += static_cast<double>(from[j]) * from[j];
    return static_cast<float>(std::sqrt(sum));
}

// Room for the bounds of all items, kept from call to call: to ask the system for it takes longer than to
// fill it.
float* room(long count) {
    // A type of this file's own: the destructor of a thread's vector would be shared between processors.
    struct Held {
        std::vector<float> numbers;
    };
    thread_local Held own;
    std::vector<float>& held = own.numbers;
    if (held.size() < static_cast<std::size_t>(count)) held.resize(count);
    return held.data();
}

// A query made ready.
struct Search {
    const TopItems& call;
    std::vector<std::int8_t> codes;  // [lead]
    float* bounds;                   // [blocks * kItems]
    std::int32_t offset = 0;         // what the 128 more add to a product
    float step, reach, rest, slack;

    Search(const TopItems& call, long blocks) : call(call), codes(call.lead), bounds(room(blocks * kItems)) {
        std::vector<double> sums(call.width);
        for (long i = 0; i < call.width; ++i) {
            const double* axis = call.axes + i * call.width;
            for (long j = 0; j < call.width; ++j) sums[j] += call.query[i] * axis[j];
        }
        std::vector<float> turned(std::max(call.width, call.lead));
        std::copy(sums.begin(), sums.end(), turned.begin());
        const float whole = length(turned.data(), call.width);
        float highest = 0;
        for (long j = 0; j < call.lead; ++j) highest = std::max(highest, std::abs(turned[j]));
        step = highest / kSteps;
        reach = 0.5f * std::sqrt(static_cast<float>(call.lead)) * length(turned.data(), call.lead);
        rest = call.width > call.lead ? length(turned.data() + call.lead, call.width - call.lead) : 0;
        for (long j = 0; j < call.lead; ++j) {
            codes[j] = static_cast<std::int8_t>(step > 0 ? std::lrint(turned[j] / step) : 0);
            offset += 128 * codes[j];
            turned[j] -= step * codes[j];
        }
        slack = call.longest * length(turned.data(), call.lead) + kRounding * (call.largest * whole + 1);
    }
};

// What the codes of kItems items say of their scores, before they are scaled.
void products(const Search& search, const std::uint8_t* codes, std::int32_t* to) {
    const long lead = search.call.lead;
    const std::int8_t* own = search.codes.data();
#if defined(__AVX2__) && !defined(CATENA_SANITIZE)
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums[2] = {_mm256_set1_epi32(-search.offset), _mm256_set1_epi32(-search.offset)};
    for (long g = 0; g < lead; g += 4) {
        std::int32_t four;
        std::memcpy(&four, own + g, 4);
        const __m256i query = _mm256_set1_epi32(four);
        const auto* items = reinterpret_cast<const __m256i*>(codes + g * kItems);
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            const __m256i pairs = _mm256_maddubs_epi16(_mm256_loadu_si256(items + half), query);
            sums[half] = _mm256_add_epi32(sums[half], _mm256_madd_epi16(pairs, ones));
        }
    }
    for (int half = 0; half < 2; ++half) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to) + half, sums[half]);
#else
    for (long i = 0; i < kItems; ++i) to[i] = -search.offset;
    for (long g = 0; g < lead; g += 4) {
        for (long i = 0; i < kItems; ++i) {
            for (long j = 0; j < 4; ++j) to[i] += codes[g * kItems + i * 4 + j] * own[g + j];
        }
    }
#endif
}

// Whether one of kItems numbers is at least so much.
bool reaches(const Row& row, float least) {
    Integers found = {};
    CATENA_EACH(i) found |= row.v[i] >= Vector{} + least;
    std::int64_t parts[kLanes / 2], any = 0;
    std::memcpy(parts, &found, sizeof parts);
    for (const std::int64_t part : parts) any |= part;
    return any != 0;
}

// Puts the bounds of a block, and says whether one of them reaches `least`.
bool bound(const Search& search, long block, float least) {
    const TopItems& call = search.call;
    alignas(64) std::int32_t found[kItems];
    products(search, call.codes + block * call.lead * kItems, found);
    const long first = block * kItems;
    Row row, reach;
    CATENA_EACH(i) {
        Integers whole;
        std::memcpy(&whole, found + i * kLanes, sizeof whole);
        row.v[i] = __builtin_convertvector(whole, Vector);
        reach.v[i] = Vector{} + search.reach;
    }
    row = load_full(call.scale + first) * (search.step * row + reach) + search.rest * load_full(call.rest + first);
    CATENA_EACH(i) reach.v[i] = Vector{} + search.slack;
    row = row + (load_full(call.ceiling + first) + reach);
    store_full(search.bounds + first, row);
    return reaches(row, least);
}

float score(const TopItems& call, long item) {
    const float* row = call.table + item * call.width;
    Vector sum{};
    long j = 0;
    for (; j + kLanes <= call.width; j += kLanes) sum += load(row + j) * load(call.query + j);
    const int left = static_cast<int>(call.width - j);
    if (left) sum += load_lanes(row + j, left) * load_lanes(call.query + j, left);
    float total = sum[0];
    for (int lane = 1; lane < kLanes; ++lane) total += sum[lane];
    return total + call.bias[item];
}

// The k items of the highest bounds; all bounds are put.
std::vector<Scored> promising(const Search& search, long blocks) {
    const TopItems& call = search.call;
    Best best(call.k);
    for (long block = 0; block < blocks; ++block) {
        if (!bound(search, block, best.least())) continue;
        const long last = std::min(call.items, (block + 1) * kItems);
        for (long item = block * kItems; item < last; ++item) best.offer({search.bounds[item], item});
    }
    return best.in_order();
}

void top(const TopItems& call) {
    const long blocks = (call.items + kItems - 1) / kItems;
    const Search search(call, blocks);
    // What k items reach, the k-th best does too.
    float least = std::numeric_limits<float>::infinity();
    for (const Scored& one : promising(search, blocks)) least = std::min(least, score(call, one.item));
    Best best(call.k);
    for (long block = 0; block < blocks; ++block) {
        const float* bounds = search.bounds + block * kItems;
        if (!reaches(load_full(bounds), least)) continue;
        const long last = std::min(kItems, call.items - block * kItems);
        for (long i = 0; i < last; ++i) {
            const long item = block * kItems + i;
            if (bounds[i] >= least) best.offer({score(call, item), item});
        }
        least = std::max(least, best.least());
    }
    const std::vector<Scored>& found = best.in_order();
    for (std::size_t place = 0; place < found.size(); ++place) {
        call.found[place] = found[place].item;
        call.scores[place] = found[place].score;
    }
}

// Rows lie anywhere in large tables, so those that come soon are asked for in time.
constexpr long kAhead = 4;

void fetch(const MoveRows& call, long place) {
    if (place >= call.count) return;
    const long first = call.rows[place] * call.width;
    for (long j = 0; j < call.width; j += 16) {
        __builtin_prefetch(call.table + first + j, 1);
        __builtin_prefetch(call.squares + first + j, 1);
        __builtin_prefetch(call.velocity + first + j, 1);
    }
}

void move(const MoveRows& call) {
    for (long place = 0; place < call.count; ++place) {
        fetch(call, place + kAhead);
        const long first = call.rows[place] * call.width;
        const float* __restrict g = call.gradient + place * call.width;
        float* __restrict theta = call.table + first;
        float* __restrict squares = call.squares + first;
        float* __restrict velocity = call.velocity + first;
        for (long j = 0; j < call.width; ++j) {
            const float sum = squares[j] + g[j] * g[j];
            const float moved = call.momentum * velocity[j] - call.rate * g[j] / std::sqrt(sum + call.epsilon);
            squares[j] = sum;
            velocity[j] = moved;
            theta[j] = call.keep * theta[j] + moved;
        }
    }
}

constexpr ItemKernels kKernels{top, move};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) item_kernels_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const ItemKernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
