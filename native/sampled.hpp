// The softmax of a recommender's loss over a few items that all predictions share.
#pragma once

#include <cstdint>

namespace catena {

// With z_j = products_j + shift_j of the others, and products_j + bias_j of the item that came next:
// gain = z_own - log Σ exp z_j, and in place of the products its slopes by them, [j = own] - softmax_j.
struct SampledSoftmax {
    long rows, items;
    float* products;          // [rows, items]
    const float* bias;        // [items]
    const float* shift;       // [items], -inf for an item that is no other
    const std::int64_t* own;  // [rows], which item came next
    float* gain;              // [rows]
};

// to[place[r], :] += from[r, :]
struct AddRows {
    long count, width;
    const std::int64_t* place;  // [count]
    const float* from;          // [count, width]
    float* to;                  // [*, width]
};

struct SampledKernels {
    void (*softmax)(const SampledSoftmax&);
    void (*add)(const AddRows&);
};

const SampledKernels& sampled_kernels_portable();
#if defined(__x86_64__)
const SampledKernels& sampled_kernels_avx2();
const SampledKernels& sampled_kernels_avx512();
#endif

// Those of the instruction set that is in use.
const SampledKernels& chosen_sampled();

}  // namespace catena
