// The linear chain, as it crosses the border between Python and the kernels.
//
// Sequences lie one after the other, a row of `labels` scores a step. Log-potentials are in nats and
// -inf forbids. A sequence of length 0 has one path, of score 0.
#pragma once

#include <cstdint>

namespace catena {

struct Chain {
    int threads;
    long n, labels;
    const std::int64_t* lengths;  // [n]
    const void* scores;           // [total, labels], float or double
    bool doubles;
    const double* transitions;  // [labels, labels], row: from, column: to
    const double* start;        // [labels]
    const double* end;          // [labels]
};

// log Z, and what is expected of a path, each sequence counted with its weight. A sequence without any
// path has log Z = -inf and expectations of 0; NaN or +inf among its scores makes all of its own NaN.
struct Expect {
    Chain chain;
    const double* weight;  // [n]
    double* log_z;         // [n]
    void* marginals;       // [total, labels], as the scores
    double* transitions;   // [labels, labels]; null: log Z alone
    double* start;         // [labels]
    double* end;           // [labels]
};

// The k best paths. Where there are fewer: labels of -1, a score of -inf (NaN where scores are NaN or
// +inf).
struct Best {
    Chain chain;
    long k;
    std::int64_t* paths;  // [total, k]
    double* scores;       // [n, k]
};

// Beliefs about the state of each step to come, of sequences in time-major order: step t of row r stands
// at firsts[t] + r.
struct Filter {
    int threads;
    long n, labels;
    const std::int64_t* lengths;   // [n], the longest first
    const std::int64_t* firsts;    // [longest]
    const double* log_likelihood;  // [total, labels]
    const double* transition;      // [labels, labels], probabilities; row: from, column: to
    const double* before;          // [n, labels], of the first step
    double* beliefs;               // [total, labels], of the step after each
    double* after;                 // [n, labels], of the step after the last
};

struct ChainKernels {
    void (*expect)(const Expect&);
    void (*best)(const Best&);
    void (*filter)(const Filter&);
};

const ChainKernels& chain_portable();
#if defined(__x86_64__)
const ChainKernels& chain_avx2();
const ChainKernels& chain_avx512();
#endif

// Those of the instruction set that is in use.
const ChainKernels& chosen_chain();

}  // namespace catena
