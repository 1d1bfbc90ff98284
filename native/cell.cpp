// The kernels of one instruction set; compiled once for each.
#include "cell.hpp"
#include "dense.hpp"

#include "cells/elman.hpp"
#include "cells/gru.hpp"
#include "cells/lstm.hpp"

namespace catena::CATENA_ARCH {
namespace {

template <template <class, bool, bool> class Loop, class Cell, bool Varied, bool Normed, class Call>
void run_cell(const Call& call) {
    run_team(call.shape.threads, [](void* context, const Member& member) {
        Loop<Cell, Varied, Normed>(*static_cast<const Call*>(context), member).run();
    }, const_cast<Call*>(&call));
}

template <template <class, bool, bool> class Loop, class Cell, class Call>
void run_varied(const Call& call) {
    if (call.norm.gain) run_cell<Loop, Cell, true, true>(call);
    else if (any(call.variant)) run_cell<Loop, Cell, true, false>(call);
    else run_cell<Loop, Cell, false, false>(call);
}

template <template <class, bool, bool> class Loop, class Call>
void run(const Call& call) {
    switch (call.shape.kind) {
        case Kind::rnn_tanh: return run_varied<Loop, Elman<false>>(call);
        case Kind::rnn_relu: return run_varied<Loop, Elman<true>>(call);
        case Kind::gru: return run_varied<Loop, Gru>(call);
        case Kind::lstm:
            return call.projection ? run_varied<Loop, Lstm<true>>(call) : run_varied<Loop, Lstm<false>>(call);
    }
}

void former(const Former& call) {
    run_team(call.threads, [](void* context, const Member& member) {
        const Former& f = *static_cast<const Former*>(context);
        long row = 0, before = 0;
        for (long t = 0; t < f.steps; before = row, row += f.sizes[t], ++t) {
            const float* from = t ? f.out + before * f.units : f.start;
            for (long j = member.index; j < f.sizes[t]; j += member.count) {
                for (long u = 0; u < f.units; u += kPanel) {
                    const int width = static_cast<int>(f.units - u < kPanel ? f.units - u : kPanel);
                    const Row h = load(from + j * f.units + u, width);
                    store(f.to + (row + j) * f.units + u, width, h);
                }
            }
        }
    }, const_cast<Former*>(&call));
}

template <class Call, void (*Do)(const Call&, const Member&)>
void share(const Call& call) {
    run_team(call.threads, [](void* context, const Member& member) {
        Do(*static_cast<const Call*>(context), member);
    }, const_cast<Call*>(&call));
}

struct Packing {
    const float* w;
    long gates, units, depth;
    float* to;
};

void pack_forward(const float* w, long gates, long units, long depth, int threads, float* to) {
    Packing packing{w, gates, units, depth, to};
    run_team(threads, [](void* context, const Member& m) {
        const Packing& p = *static_cast<const Packing*>(context);
        const long panels = blocks_of(p.units) * p.gates;
        for (long i = panels * m.index / m.count; i < panels * (m.index + 1) / m.count; ++i) {
            const long u = i / p.gates * kPanel, gate = i % p.gates;
            const float* from = p.w + (gate * p.units + u) * p.depth;
            pack_columns(from, p.depth, p.units - u, p.depth, p.to + i * p.depth * kPanel);
        }
    }, &packing);
}

void pack_backward(const float* w, long rows, long columns, int threads, float* to) {
    Packing packing{w, 1, columns, rows, to};
    run_team(threads, [](void* context, const Member& m) {
        const Packing& p = *static_cast<const Packing*>(context);
        const long panels = blocks_of(p.units);
        for (long i = panels * m.index / m.count; i < panels * (m.index + 1) / m.count; ++i) {
            const long u = i * kPanel, left = p.units - u;
            pack_rows(p.w + u, p.units, left < kPanel ? left : kPanel, p.depth, p.to + i * p.depth * kPanel);
        }
    }, &packing);
}

constexpr Kernels kKernels{run<ForwardLoop, Forward>, run<BackwardLoop, Backward>, former, share<Dense, dense>, share<Outer, outer>, pack_forward, pack_backward};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) kernels_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const Kernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
