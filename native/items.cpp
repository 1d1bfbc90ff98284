// The best of many items, and Adagrad for rows of a table; compiled once for each instruction set.
#include "items.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "simd.hpp"

namespace catena::CATENA_ARCH {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

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
        return held_.size() < k_ ? -kInfinity : held_.front().score;
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
// Of products larger than this some sum might be infinite, and a bound would say nothing.
constexpr float kLargest = 1e30f;
// Codes of a query go to 127, and 8 times their sum fits into 16 bits: no item's product is larger.
constexpr float kSteps = 127, kSum = 4095;
// So many times as many items as are wanted are scored first, to know what the k-th best reaches.
constexpr long kFirst = 3;
// Rows of items lie anywhere in a large table, so those that come soon are asked for in time.
constexpr std::size_t kSoon = 12;

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

// The query in the axes of the codes.
std::vector<float> turned(const TopItems& call) {
    std::vector<double> sums(call.width);
    for (long i = 0; i < call.width; ++i) {
        const double* axis = call.axes + i * call.width;
        for (long j = 0; j < call.width; ++j) sums[j] += call.query[i] * axis[j];
    }
    std::vector<float> query(std::max(call.width, call.coded));
    std::copy(sums.begin(), sums.end(), query.begin());
    return query;
}

// A query made ready, and the bounds of items but for the slack.
struct Search {
    const TopItems& call;
    long blocks;
    float *bounds, *highest;         // [blocks * kItems], and the highest of each block
    std::vector<std::int8_t> codes;  // [coded]
    std::int32_t offset = 0;         // what the 8 more add to a product
    float step = 0, whole, slack = 0;

    explicit Search(const TopItems& call)
        : call(call), blocks((call.items + kItems - 1) / kItems), bounds(room(blocks * (kItems + 1))),
          highest(bounds + blocks * kItems), codes(call.coded) {
        std::vector<float> query = turned(call);
        whole = length(query.data(), call.width);
        if (!bounded()) return;
        float most = 0, sum = 0;
        for (long j = 0; j < call.coded; ++j) {
            most = std::max(most, std::abs(query[j]));
            sum += std::abs(query[j]);
        }
        // Rounding adds at most a half to each code.
        step = std::max(most / kSteps, sum / (kSum - 0.5f * static_cast<float>(call.coded)));
        if (step < std::numeric_limits<float>::min()) step = 0;
        for (long j = 0; j < call.coded; ++j) {
            codes[j] = static_cast<std::int8_t>(step > 0 ? std::lrint(query[j] / step) : 0);
            offset += 8 * codes[j];
            query[j] -= step * codes[j];
        }
        slack = call.longest * length(query.data(), call.coded) + kRounding * (call.largest * whole + 1);
    }

    // Whether bounds mean something: not for a query that is not finite.
    bool bounded() const { return whole < kLargest && call.largest * whole < kLargest; }
};

// What the codes of kItems items say of their scores, before they are scaled.
void products(const Search& search, const std::uint8_t* codes, std::int32_t* to) {
    const std::int8_t* own = search.codes.data();
#if defined(__AVX2__) && !defined(CATENA_SANITIZE)
    constexpr int kParts = kItems / 16;
    const __m256i low = _mm256_set1_epi8(15);
    __m256i sums[kParts];
    for (__m256i& sum : sums) sum = _mm256_set1_epi16(static_cast<std::int16_t>(-search.offset));
    for (long g = 0; g < search.call.coded; g += 4) {
        std::int16_t pairs[2];
        std::memcpy(pairs, own + g, 4);
        const __m256i first = _mm256_set1_epi16(pairs[0]), second = _mm256_set1_epi16(pairs[1]);
        const auto* items = reinterpret_cast<const __m256i*>(codes + g / 2 * kItems);
#pragma GCC unroll 8
        for (int part = 0; part < kParts; ++part) {
            const __m256i both = _mm256_loadu_si256(items + part);
            const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
            // The sums may wrap around on their way: what they come to fits.
            sums[part] = _mm256_add_epi16(sums[part], _mm256_maddubs_epi16(_mm256_and_si256(both, low), first));
            sums[part] = _mm256_add_epi16(sums[part], _mm256_maddubs_epi16(high, second));
        }
    }
    auto* into = reinterpret_cast<__m256i*>(to);
#pragma GCC unroll 8
    for (int part = 0; part < kParts; ++part) {
        const __m128i halves[2] = {_mm256_castsi256_si128(sums[part]), _mm256_extracti128_si256(sums[part], 1)};
        for (const __m128i half : halves) _mm256_storeu_si256(into++, _mm256_cvtepi16_epi32(half));
    }
#else
    for (long i = 0; i < kItems; ++i) to[i] = -search.offset;
    for (long g = 0; g < search.call.coded; g += 4) {
        const std::uint8_t* two = codes + g / 2 * kItems;
        for (long i = 0; i < kItems; ++i, two += 2) {
            to[i] += (two[0] & 15) * own[g] + (two[1] & 15) * own[g + 1];
            to[i] += (two[0] >> 4) * own[g + 2] + (two[1] >> 4) * own[g + 3];
        }
    }
#endif
}

// Puts the bounds of a block and the highest of them.
void bound(const Search& search, long block) {
    const TopItems& call = search.call;
    alignas(64) std::int32_t found[kItems];
    products(search, call.codes + block * call.coded / 2 * kItems, found);
    Vector highest = Vector{} - kInfinity;
    for (long i = 0; i < kItems; i += kLanes) {
        const long first = block * kItems + i;
        Integers whole;
        std::memcpy(&whole, found + i, sizeof whole);
        const Vector scaled = (search.step * load(call.scale + first)) * __builtin_convertvector(whole, Vector);
        const Vector bounds = scaled + (search.whole * load(call.rest + first) + load(call.ceiling + first));
        store(search.bounds + first, bounds);
        highest = bounds > highest ? bounds : highest;
    }
    float most = highest[0];
    for (int lane = 1; lane < kLanes; ++lane) most = std::max(most, highest[lane]);
    search.highest[block] = most;
}

void bound(const Search& search) {
    if (search.bounded()) {
        for (long block = 0; block < search.blocks; ++block) bound(search, block);
    } else {
        std::fill_n(search.bounds, search.blocks * (kItems + 1), kInfinity);
    }
}

// What the bounds of k items reach, and those of few more.
float level(const Search& search) {
    const long most = std::min(kFirst * search.call.k, search.call.items);
    const bool many = most <= search.blocks;
    const float* from = many ? search.highest : search.bounds;
    std::vector<float> held(from, from + (many ? search.blocks : search.call.items));
    std::nth_element(held.begin(), held.begin() + (most - 1), held.end(), std::greater<>());
    return held[most - 1];
}

// Which of kPanel numbers are at least so much, a bit for each.
unsigned those(const float* of, float least) {
#if defined(__AVX2__) && !defined(CATENA_SANITIZE)
    const __m256 leasts = _mm256_set1_ps(least);
    const int first = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(of), leasts, _CMP_GE_OQ));
    const int second = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(of + 8), leasts, _CMP_GE_OQ));
    return static_cast<unsigned>(first | second << 8);
#else
    unsigned bits = 0;
    for (int i = 0; i < kPanel; ++i) bits |= static_cast<unsigned>(of[i] >= least) << i;
    return bits;
#endif
}

// The items whose bounds are at least so much.
std::vector<std::int64_t> reaching(const Search& search, float least) {
    std::vector<std::int64_t> items;
    for (long block = 0; block < search.blocks; ++block) {
        if (!(search.highest[block] >= least)) continue;
        for (long first = block * kItems; first < (block + 1) * kItems; first += kPanel) {
            for (unsigned bits = those(search.bounds + first, least); bits; bits &= bits - 1) {
                const long item = first + __builtin_ctz(bits);
                if (item < search.call.items) items.push_back(item);
            }
        }
    }
    return items;
}

// A score that is no number is the lowest.
float score(const TopItems& call, long item) {
    const float* row = call.table + item * call.width;
    Vector sum{};
    long j = 0;
    for (; j + kLanes <= call.width; j += kLanes) sum += load(row + j) * load(call.query + j);
    const int left = static_cast<int>(call.width - j);
    if (left) sum += load_lanes(row + j, left) * load_lanes(call.query + j, left);
    float total = call.bias[item];
    for (int lane = 0; lane < kLanes; ++lane) total += sum[lane];
    return std::isnan(total) ? -kInfinity : total;
}

// Scores the items whose bounds are at least so much, each once.
void offer(const Search& search, float least, Best& best) {
    const TopItems& call = search.call;
    const std::vector<std::int64_t> items = reaching(search, least);
    for (std::size_t place = 0; place < items.size(); ++place) {
        if (place + kSoon < items.size()) {
            const float* soon = call.table + items[place + kSoon] * call.width;
            for (long j = 0; j < call.width; j += 16) __builtin_prefetch(soon + j);
        }
        const long item = items[place];
        if (search.bounds[item] >= best.least() - search.slack) best.offer({score(call, item), item});
        search.bounds[item] = std::numeric_limits<float>::quiet_NaN();  // reaches nothing any more
    }
}

void top(const TopItems& call) {
    const Search search(call);
    bound(search);
    Best best(call.k);
    offer(search, level(search), best);
    offer(search, best.least() - search.slack, best);
    const std::vector<Scored>& found = best.in_order();
    for (std::size_t place = 0; place < found.size(); ++place) {
        call.found[place] = found[place].item;
        call.scores[place] = found[place].score;
    }
}

// Here each row is three, and written.
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
