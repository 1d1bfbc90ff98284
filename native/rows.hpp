// Rows of scores, as they cross the border: what a softmax divides by, and the best of each row.
#pragma once

#include <cstdint>

namespace catena {

struct ScoreRows {
    int threads;
    long rows, pitch, columns;  // how many, how far apart, how long
    const float* scores;
};

struct LogSums {
    ScoreRows from;
    double* to;  // [rows]: log of the sum of exp
};

struct TopOfRows {
    ScoreRows from;
    long k;                // 1 <= k <= columns
    float* values;         // [rows, k], the largest first; -inf where there are no more above it
    std::int64_t* places;  // [rows, k]: their columns; of equals, the first
};

struct RowKernels {
    void (*log_sums)(const LogSums&);
    void (*top)(const TopOfRows&);
};

const RowKernels& row_kernels_portable();
#if defined(__x86_64__)
const RowKernels& row_kernels_avx2();
const RowKernels& row_kernels_avx512();
#endif

// Those of the instruction set that is in use.
const RowKernels& chosen_rows();

}  // namespace catena
