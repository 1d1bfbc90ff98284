// Tables with a row for each of many items, as they cross the border: the best of all for one query, and
// Adagrad for a few of them.
#pragma once

#include <cstdint>

namespace catena {

constexpr long kItems = 16;  // are worked on together; the last of them may be none, of ceiling -inf

// The k best of query . row + bias. The query is turned by `axes`; its first `lead` numbers are rounded to
// codes, as those of the rows have been, and then for each item a number is known that its score does not
// exceed (catena.kernels.items says why):
//
//     ceiling + scale (step (codes . query codes) + reach) + rest query_rest + slack
//
// which reads a few bytes an item; only items for which it is as high as the k-th best are scored. The
// codes lie as [blocks][lead / 4][kItems][4], 128 more than they mean; the query's are from -63 to 63,
// so that two products fit into 16 bits.
struct TopItems {
    long items, width, lead, k;  // 1 <= k <= items
    const float* table;          // [items, width]
    const float* bias;           // [items]
    const float* ceiling;        // [blocks * kItems]: the bias, and what rounding may add to it
    const std::uint8_t* codes;
    const float *scale, *rest;   // [blocks * kItems]
    const double* axes;          // [width, width]: the first column is the lead's first
    const float* query;          // [width]
    float longest, largest;      // the length of the longest row of codes, and of the turned table
    std::int64_t* found;         // [k], the best first; of equals, the first
    float* scores;               // [k]
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
