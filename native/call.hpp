// What crosses the border between Python and the kernels: plain structs of sizes and addresses.
//
// Shapes: n sequences, longest first; `sizes[t]` of them are longer than t; total = sum of sizes. h has
// `seen` numbers, which the product with the recurrent weights sees: as many as there are units unless an
// LSTM projects to fewer.
// Time-major: the row of sequence j at step t is sizes[0] + ... + sizes[t-1] + j. All float32 and
// contiguous.
#pragma once

#include <cstdint>

namespace catena {

enum class Kind : int { rnn_tanh, rnn_relu, gru, lstm };

// The parts of a step that the plain cells do without.
struct Variant {
    const float* mask;      // [n, seen]: what h is multiplied by on its way into the product
    const float* peephole;  // [3, units]: i, f, o
    float zone_h, zone_c;   // chances that a unit keeps its value
    std::uint32_t seed;
    bool sampled;  // zoneout draws (training), or mixes (evaluation)
    bool coupled;  // i = 1 - f
};

struct Shape {
    Kind kind;
    int threads;
    bool by_rows;  // threads share the sequences; otherwise the units
    long steps, units, seen;
    const std::int64_t* sizes;  // [steps]
    long done;  // steps before this call, for what is drawn by step
};

// Layer normalisation (Ba et al. 2016) of W h over all gates, and of the c inside an LSTM's tanh.
struct Norm {
    const float* gain;    // [gates * units]; null: there is none
    const float* bias;    // [gates * units], added after the gain
    const float* gain_c;  // [2, units]: gain and bias; lstm
    float* room;          // [n, gates * units]
    float* normal;        // [total, gates * units]: what W h was before the gain
    float* scale;         // [total]: what it was multiplied by, 1 / σ
    float* grads;         // [total, gates * units], on the way back: of W h
    float* sums;          // [threads, 2, (gates + 2) * units], on the way back: parts of gain's and gain_c's
};

struct Forward {
    Shape shape;
    Variant variant;
    Norm norm;
    const float* packed;  // the recurrent weights, packed for h @ W.T
    const float* bias;    // [units], gru: added to W_n h before the reset gate
    const float* h0;      // [n, seen]
    const float* c0;      // [n, units], lstm
    float* gates;         // [total, width]: on entry W x + b; on return the gates
    float* out;           // [total, seen]
    float* c;             // [total, units], lstm in training; null: only the last is kept
    float* last_h;        // [n, seen]: on entry the start, on return each sequence's last
    float* last_c;
    float* masked;  // [2, n, seen]: room for masked h
    long n;
    const float* projection;  // packed for m @ P.T, m = o * tanh(c); null: there is none, h = m
    float* hidden;            // [n, units]: room for m
};

struct Backward {
    Shape shape;
    Variant variant;
    Norm norm;
    const float* packed;  // the recurrent weights, packed for d @ W
    const float* h0;
    const float* c0;
    const float* gates;  // as Forward left them
    const float* out;
    const float* c;
    const float* grad_out;  // [total, seen]
    float* grad_gates;      // [total, width]: gru: n, then r, z and n as W h had it
    float* carry_h;         // [n, seen]: on entry the last state's gradient, on return the first's
    float* carry_c;
    const float* projection;  // packed for d @ P; null: there is none
    float* hidden;            // [total, units]: room for m's gradient; on return m, worked out again
    float* grad_h;            // [total, seen]: of P m
};

// What the step before left, of h or c, for each step.
struct Former {
    int threads;
    long steps, units;
    const std::int64_t* sizes;
    const float* start;  // [n, units]
    const float* out;    // [total, units]
    float* to;           // [total, units]
};

// to[r, :] = start + a[r, :] @ packed
struct Dense {
    int threads;
    const float* a;
    long rows, stride, depth;  // how many, how far apart, how long
    const float* packed;       // panels of 16 columns
    const float* start;        // [columns], or null for 0
    float* to;
    long pitch, columns;  // the result's rows: how far apart, how long
};

// to[m, n] = d.T @ x, where x's rows may lie anywhere: a step's state before lies with the step before
struct Outer {
    int threads;
    const float* d;
    long pitch, m;  // d's rows: how far apart, how many columns
    const float* const* x;        // [rows] addresses of [n]
    const float* const* factors;  // what x is multiplied by, likewise, or null
    long rows, n;
    float* to;
    float* room;  // kRoomOfOuter numbers for each thread
};

constexpr long kRoomOfOuter = (512 + 96) * 256;

// One table for each instruction set the kernels were compiled for.
struct Kernels {
    void (*forward)(const Forward&);
    void (*backward)(const Backward&);
    void (*former)(const Former&);
    void (*dense)(const Dense&);
    void (*outer)(const Outer&);
    // [gates * units, depth] to panels of 16 units, gate by gate, for h @ W.T
    void (*pack_forward)(const float* w, long gates, long units, long depth, int threads, float* to);
    // [rows, columns] to panels of 16 columns, for d @ W
    void (*pack_backward)(const float* w, long rows, long columns, int threads, float* to);
};

const Kernels& kernels_portable();
#if defined(__x86_64__)
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
#endif

}  // namespace catena
