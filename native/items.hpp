// Tables with a row for each of many items, as they cross the border: the best of all for one query, and
// Adagrad for a few of them.
#pragma once

#include <cstdint>

namespace catena {

constexpr long kItems = 128;  // are worked on together; the last of them may be none, of ceiling -inf

// The k best of query . row + bias. The query is turned by `axes` and its numbers are rounded to codes, as
// those of the rows have been; then no item's score exceeds (catena.kernels.items says why)
//
//     ceiling + scale step (codes . query codes) + rest |query| + slack
//
// which reads half a byte for each number of a row that has a code. Only items for which it is as high as the k-th best are
// scored. The codes lie as [blocks][coded / 4][kItems][2]: of four codes the first two are the low halves of
// two bytes, the others the high halves, all 8 more than they mean.
struct TopItems {
    long items, width, coded, k;  // 1 <= k <= items; four divides coded
    const float* table;           // [items, width]
    const float* bias;            // [items]
    const float* ceiling;         // [blocks * kItems]: the bias, and what rounding may add to it
    const std::uint8_t* codes;
    const float *scale, *rest;    // [blocks * kItems]
    const double* axes;           // [width, width]: the first columns are those that are coded
    const float* query;           // [width]
    float longest, largest;       // the length of the longest row of codes, and of the turned table
    std::int64_t* found;          // [k], the best first; of equals, the first
    float* scores;                // [k]
};

// Some rows of a table, by the equations of catena.learn.adagrad_momentum.
struct MoveRows {
    long count, width;
    const std::int64_t* rows;          // [count], distinct
    const float* gradient;             // [count, width]
    float *table, *squares, *velocity; // [items, width]
    float rate, momentum, keep, epsilon;
};

struct ItemKernels {
    void (*top)(const TopItems&);
    void (*move)(const MoveRows&);
};

const ItemKernels& item_kernels_portable();
#if defined(__x86_64__)
const ItemKernels& item_kernels_avx2();
const ItemKernels& item_kernels_avx512();
#endif

// Those of the instruction set that is in use.
const ItemKernels& chosen_items();

}  // namespace catena
