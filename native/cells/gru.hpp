// The gated recurrent unit; the rows of the weights are r, z, n; reset after the product.
//
//     n = tanh(x_n + r * (U_n h' + b)),   h = (1 - z) * n + z * h'
//
// A row of the gates holds r, z, n and U_n h' + b. A row of their gradients holds n, r, z as W x sees
// them and then n as U h sees it, so that both W's three and U's three lie side by side.
#pragma once

#include "common.hpp"

namespace catena::CATENA_ARCH {

struct Gru {
    static constexpr int gates = 3, width = 4, blocks = 1, skip = 1;
    static constexpr bool memory = false, projected = false;

    template <bool Varied>
    CATENA_INLINE static Row forward(const Forward& f, const Place& at, Row* pre) {
        const long units = f.shape.units;
        float* gate = f.gates + at.row * 4 * units + at.u;
        const Row before = load(at.h, at.width);
        const Row r = sigmoid(pre[0]), z = sigmoid(pre[1]);
        const Row n = tanh(load(gate + 2 * units, at.width) + r * pre[2]);
        store(gate, at.width, r);
        store(gate + units, at.width, z);
        store(gate + 2 * units, at.width, n);
        store(gate + 3 * units, at.width, pre[2]);
        return n + z * (before - n);
    }

    template <bool Varied>
    CATENA_INLINE static void backward(const Backward& b, const Place& at, Row dh, Row) {
        const long units = b.shape.units;
        const float* gate = b.gates + at.row * 4 * units + at.u;
        const Row r = load(gate, at.width), z = load(gate + units, at.width);
        const Row n = load(gate + 2 * units, at.width), h_n = load(gate + 3 * units, at.width);
        const Row dn = dh * (1.0f - z) * (1.0f - n * n);
        float* grad = b.grad_gates + at.row * 4 * units + at.u;
        store(grad, at.width, dn);
        store(grad + units, at.width, dn * h_n * r * (1.0f - r));
        store(grad + 2 * units, at.width, dh * (load(at.h, at.width) - n) * z * (1.0f - z));
        store(grad + 3 * units, at.width, dn * r);
    }

    CATENA_INLINE static Row direct(const Backward& b, const Place& at, Row dh) {
        return dh * load(b.gates + at.row * 4 * b.shape.units + b.shape.units + at.u, at.width);
    }
};

}  // namespace catena::CATENA_ARCH
