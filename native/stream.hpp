// A stack of layers that takes one step at a time, as it crosses the border to the kernels.
//
// A layer's weights are [W_ih W_hh], packed in strips of `panels` panels of 16 columns that are worked
// on together, `weights[k][panel][16]`: a step reads them from first to last. A strip holds the gates
// of one block of 16 units, or four blocks where a cell has one gate; the last strip of such a cell may
// be narrower. All is float32, but the weights may be bfloat16: then two rows lie in one, k in the lower
// halves of 32 bits and k + 1 in the upper ones, and W_ih and W_hh each have an even number of rows.
#pragma once

#include "call.hpp"

namespace catena {

// How many blocks of 16 units lie in a strip.
constexpr int blocks_of_strip(int gates) { return gates == 1 ? 4 : 1; }

struct StreamLayer {
    long inputs;
    const void* weights;    // float, or pairs of bfloat16
    const float* bias;      // [gates * units], or null for 0; gru: without n's share of W_hh's bias
    const float* bias_n;    // [units]: gru: added to W_n h before the reset gate
    const float* peephole;  // [3, units], lstm, or null
    const float* norm_x;    // [gates * units]: gain of the norm of W_ih x; null: there is none
    const float* norm_h;    // [gates * units]: gain of the norm of W_hh h
    const float* norm_c;    // [2, units]: gain and bias of that of c, lstm
};

struct Stream {
    Kind kind;
    Variant variant;  // without its addresses
    bool half;  // the weights are bfloat16
    int threads;
    long rows, units;
    const StreamLayer* layers;
    long depth;      // layers
    const float* x;  // [rows, inputs]
    const float* h;  // [depth, rows, units]: the state before the step
    float* fresh;    // [depth, rows, units]: on return the state after it
    float* c;        // [depth, rows, units]: lstm, in place
    float* gates;    // [rows, 4 * units]: room
    float* room;     // [rows, 2, gates * units] with layer normalisation: W_ih x, W_hh h
};

using StepStream = void (*)(const Stream&);

void step_portable(const Stream&);
#if defined(__x86_64__)
void step_avx2(const Stream&);
void step_avx512(const Stream&);
#endif

// The step of the instruction set that is in use.
StepStream chosen_step();

}  // namespace catena
