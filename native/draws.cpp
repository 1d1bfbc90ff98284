#include "draws.hpp"

#include <bit>

namespace catena {
namespace {

void mark(std::uint64_t* marks, const std::int64_t* items, long count) {
    for (long i = 0; i < count; ++i) marks[items[i] >> 6] |= std::uint64_t{1} << (items[i] & 63);
}

// Takes the marks away in rising order, and says how many there were.
long collect(const Distinct& call) {
    long count = 0;
    for (long word = 0; word * 64 < call.items; ++word) {
        for (std::uint64_t left = call.marks[word]; left; left &= left - 1) {
            const std::int64_t item = word * 64 + std::countr_zero(left);
            call.number[item] = static_cast<std::int32_t>(count);
            call.found[count++] = item;
        }
        call.marks[word] = 0;
    }
    return count;
}

}  // namespace

void draw(const Draw& call) {
    for (long i = 0; i < call.count; ++i) {
        const double at = call.at[i];
        const long cell = static_cast<long>(at * call.per);
        long edge = call.guide[cell < call.cells ? cell : call.cells - 1];
        while (edge > 0 && call.edge[edge - 1] > at) --edge;
        while (edge + 1 < call.edges && call.edge[edge] <= at) ++edge;
        call.found[i] = edge;
    }
}

long distinct(const Distinct& call) {
    mark(call.marks, call.value, call.values);
    mark(call.marks, call.other, call.others);
    const long count = collect(call);
    for (long i = 0; i < count; ++i) call.times[i] = 0;
    for (long i = 0; i < call.values; ++i) call.place[i] = call.number[call.value[i]];
    for (long i = 0; i < call.others; ++i) call.times[call.number[call.other[i]]] += 1;
    return count;
}

}  // namespace catena
