// Attention by products, as it crosses the border: a few queries for each of many memories.
#pragma once

#include <cstdint>

namespace catena {

// Memories of n sources. Their numbers may lie anywhere: `keys` and `values` are addresses.
struct Memories {
    const std::uintptr_t *keys, *values;  // [n]: of [heads, pitch, width] and [heads, pitch, shown]
    const std::int64_t *steps, *pitch;    // [n]: how many steps there are, and from head to head
    long heads, width, shown, longest;    // longest: the most steps
};

struct Attend {
    int threads;
    long rows;
    const float* queries;       // [rows, heads, width]
    const std::int64_t* owner;  // [rows]: which memory each query is about
    Memories memories;
    float* context;  // [rows, heads * shown]: Σ_s a_s v_s, a = softmax of query · key; 0 without steps
    float* weights;  // [rows, longest]: a, the mean over heads; 0 beyond a memory's end
};

using AttendKernel = void (*)(const Attend&);

void attend_portable(const Attend& call);
#if defined(__x86_64__)
void attend_avx2(const Attend& call);
void attend_avx512(const Attend& call);
#endif

// That of the instruction set that is in use.
AttendKernel chosen_attend();

}  // namespace catena
