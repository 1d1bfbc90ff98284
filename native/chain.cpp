// The linear chain's kernels for one instruction set; compiled once for each.
//
// Threads take one block of sequences after another. Blocks depend on the number of sequences alone,
// and what is summed over all is summed block by block: it is the same for any number of threads.
#include "chain.hpp"

#include <atomic>
#include <numeric>

#include "chain/best.hpp"
#include "chain/expect.hpp"
#include "chain/filter.hpp"
#include "threads.hpp"

namespace catena::CATENA_ARCH {
namespace {

constexpr long kBlocks = 32;

// Calls work(room, block, first, last) for each block of sequences.
template <class Call, class Work>
void over_blocks(const Call& call, long room, const Work& work) {
    struct Context {
        const Work& work;
        double* room;
        long size, n, blocks;
        std::atomic<long> next{0};
    };
    const long blocks = std::min(call.n, kBlocks);
    const long threads = std::min<long>(call.threads, blocks);
    const Room rooms(room * std::max(threads, 1L));
    Context context{work, rooms.get(), room, call.n, blocks};
    run_team(static_cast<int>(threads), [](void* data, const Member& member) {
        Context& c = *static_cast<Context*>(data);
        for (long b; (b = c.next.fetch_add(1)) < c.blocks;) {
            c.work(c.room + member.index * c.size, b, c.n * b / c.blocks, c.n * (b + 1) / c.blocks);
        }
    }, &context);
}

// The sequences from `first` to `last` - 1, those of like length beside each other.
std::vector<long> by_length(const Tables& tables, long first, long last) {
    std::vector<long> order(last - first);
    std::iota(order.begin(), order.end(), first);
    const auto length = [&](long i) { return tables.offsets[i + 1] - tables.offsets[i]; };
    std::stable_sort(order.begin(), order.end(), [&](long i, long j) { return length(i) > length(j); });
    return order;
}

template <class Score>
void expect_of(const Expect& call) {
    const Tables tables(call.chain);
    const long pitch = tables.pitch, size = Counts::size(pitch);
    const bool counted = call.transitions != nullptr;
    std::vector<double> sums(counted ? std::min(call.chain.n, kBlocks) * size : 0, 0);
    const long room_of_one = SumPass<Score>::room(tables.longest, pitch);
    over_blocks(call.chain, 2 * room_of_one, [&](double* room, long block, long first, long last) {
        SumPass<Score> a(call, tables, room), b(call, tables, room + room_of_one);
        const Counts own(counted ? sums.data() + block * size : nullptr, pitch);
        const std::vector<long> order = by_length(tables, first, last);
        std::size_t k = 0;
        for (; k + 1 < order.size(); k += 2) SumPass<Score>::run(a, order[k], b, order[k + 1], own);
        if (k < order.size()) SumPass<Score>::run(a, order[k], b, own);
    });
    if (!counted) return;
    std::vector<double> total(size, 0);
    for (std::size_t k = 0; k < sums.size(); ++k) total[k % size] += sums[k];
    const Counts found(total.data(), pitch);
    for (long i = 0; i < tables.labels; ++i) {
        std::copy_n(found.moves + i * pitch, tables.labels, call.transitions + i * tables.labels);
    }
    std::copy_n(found.start, tables.labels, call.start);
    std::copy_n(found.end, tables.labels, call.end);
}

template <class Score>
void best_of(const Best& call) {
    const Tables tables(call.chain);
    over_blocks(call.chain, BestPass<Score>::room(tables.longest, tables.pitch), [&](double* room, long, long first, long last) {
        BestPass<Score> pass(call, tables, room);
        for (long i = first; i < last; ++i) pass.run(i);
    });
}

void expect(const Expect& call) { call.chain.doubles ? expect_of<double>(call) : expect_of<float>(call); }
void best(const Best& call) { call.chain.doubles ? best_of<double>(call) : best_of<float>(call); }

void filter(const Filter& call) {
    const long pitch = pitch_of(call.labels);
    std::vector<double> moves(pitch_of(call.labels) * pitch, 0);
    for (long i = 0; i < call.labels; ++i) std::copy_n(call.transition + i * call.labels, call.labels, &moves[i * pitch]);
    over_blocks(call, FilterPass::room(call.labels), [&](double* room, long, long first, long last) {
        FilterPass pass(call, moves.data(), room);
        for (long row = first; row < last; ++row) pass.run(row);
    });
}

constexpr ChainKernels kKernels{expect, best, filter};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) chain_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const ChainKernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
