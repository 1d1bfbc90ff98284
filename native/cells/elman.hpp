// The simple recurrent network: h = tanh(W x + U h' + b), or the rectified sum.
//
// Nothing is kept but its outputs; under zoneout, which changes them, `gates` is a place of its own
// and holds h as it was before.
#pragma once

#include "common.hpp"

namespace catena::CATENA_ARCH {

template <bool Rectified>
struct Elman {
    static constexpr int gates = 1, width = 1, blocks = 4, skip = 0;
    static constexpr bool memory = false, projected = false;

    template <bool Varied>
    CATENA_INLINE static Row forward(const Forward& f, const Place& at, Row* pre) {
        Row h = pre[0];
        if constexpr (Rectified) {
            CATENA_EACH(i) h.v[i] = h.v[i] < Vector{} ? Vector{} : h.v[i];
        } else {
            h = tanh(h);
        }
        if constexpr (Varied) store(f.gates + at.row * f.shape.units + at.u, at.width, h);
        return h;
    }

    // `h` is the fresh h, before zoneout.
    template <bool Varied>
    CATENA_INLINE static void backward(const Backward& b, const Place& at, Row dh, Row h) {
        if constexpr (Rectified) {
            CATENA_EACH(i) dh.v[i] = h.v[i] > Vector{} ? dh.v[i] : Vector{};
        } else {
            dh = dh * (1.0f - h * h);
        }
        store(b.grad_gates + at.row * b.shape.units + at.u, at.width, dh);
    }

    CATENA_INLINE static Row direct(const Backward&, const Place&, Row) { return zeros(); }
};

}  // namespace catena::CATENA_ARCH
