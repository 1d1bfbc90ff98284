// The long short-term memory; the rows of the weights are i, f, g, o.
//
//     c = f * c' + i * g,   h = o * tanh(c)
//
// With a projection h = P m, m = o * tanh(c), and the loop multiplies: `forward` returns m, and `backward`
// is given its gradient and leaves m for P's.
#pragma once

#include "common.hpp"

namespace catena::CATENA_ARCH {

template <bool Projected>
struct Lstm {
    static constexpr int gates = 4, width = 4, blocks = 1;  // blocks of 16 units a strip
    static constexpr int skip = 0;  // where the product's share of a row of grad_gates begins
    static constexpr bool memory = true, projected = Projected;

    // `pre` are the sums before the nonlinearity. Returns h and puts c in its place.
    template <bool Varied>
    CATENA_INLINE static Row forward(const Forward& f, const Place& at, Row* pre) {
        const Row c = remember<Varied>(f, at, pre);
        return pre[3] * tanh(c);
    }

    // Returns the fresh c, before zoneout; puts what stays of it in its place and o in pre[3].
    template <bool Varied>
    CATENA_INLINE static Row remember(const Forward& f, const Place& at, Row* pre) {
        const long units = f.shape.units;
        const Row before = load(at.c, at.width);
        if constexpr (Varied) {
            if (const float* p = f.variant.peephole) {
                pre[0] = pre[0] + load(p + at.u, at.width) * before;
                pre[1] = pre[1] + load(p + units + at.u, at.width) * before;
            }
        }
        const Row forget = sigmoid(pre[1]), g = tanh(pre[2]);
        const Row i = Varied && f.variant.coupled ? 1.0f - forget : sigmoid(pre[0]);
        const Row c = forget * before + i * g;
        if constexpr (Varied) {
            if (const float* p = f.variant.peephole) {
                pre[3] = pre[3] + load(p + 2 * units + at.u, at.width) * c;
            }
        }
        const Row o = sigmoid(pre[3]);
        if (f.c) {
            float* gate = f.gates + at.row * 4 * units + at.u;
            store(gate, at.width, i);
            store(gate + units, at.width, forget);
            store(gate + 2 * units, at.width, g);
            store(gate + 3 * units, at.width, o);
        }
        Row stays = c;
        if constexpr (Varied) {
            if (f.variant.zone_c > 0) {
                stays = blend(kept(f.variant, f.variant.zone_c, kSaltOfC, at), before, c);
            }
        }
        store(f.c ? f.c + at.row * units + at.u : f.last_c + at.j * units + at.u, at.width, stays);
        pre[3] = o;
        return c;
    }

    // `dh` is the gradient of the fresh h; leaves the gates' gradients, and c's in the carry.
    template <bool Varied>
    CATENA_INLINE static void backward(const Backward& b, const Place& at, Row dh, Row) {
        const long units = b.shape.units;
        const Row o = load(b.gates + (at.row * 4 + 3) * units + at.u, at.width);
        const Row seen = tanh(fresh(b, at));
        if constexpr (projected) store(b.hidden + at.row * units + at.u, at.width, o * seen);
        through_memory<Varied>(b, at, dh * seen * o * (1.0f - o), dh * o * (1.0f - seen * seen));
    }

    // c before zoneout, worked out again.
    CATENA_INLINE static Row fresh(const Backward& b, const Place& at) {
        const long units = b.shape.units;
        const float* gate = b.gates + at.row * 4 * units + at.u;
        return load(gate + units, at.width) * load(at.c, at.width) +
               load(gate, at.width) * load(gate + 2 * units, at.width);
    }

    // `dout` is the gradient of o's sum, `dc` that of the fresh c through h.
    template <bool Varied>
    CATENA_INLINE static void through_memory(const Backward& b, const Place& at, Row dout, Row dc) {
        const long units = b.shape.units;
        const float* gate = b.gates + at.row * 4 * units + at.u;
        const Row i = load(gate, at.width), f = load(gate + units, at.width);
        const Row g = load(gate + 2 * units, at.width), before = load(at.c, at.width);
        float* carry = b.carry_c + at.j * units + at.u;
        Row later = load(carry, at.width), direct = zeros();
        if constexpr (Varied) {
            if (b.variant.zone_c > 0) {
                direct = kept(b.variant, b.variant.zone_c, kSaltOfC, at) * later;
                later = later - direct;
            }
        }
        dc = dc + later;
        if constexpr (Varied) {
            if (const float* p = b.variant.peephole) {
                dc = dc + dout * load(p + 2 * units + at.u, at.width);
            }
        }
        const bool coupled = Varied && b.variant.coupled;
        const Row di = coupled ? zeros() : dc * g * i * (1.0f - i);
        const Row df = dc * (coupled ? before - g : before) * f * (1.0f - f);
        const Row dg = dc * i * (1.0f - g * g);
        Row earlier = dc * f + direct;
        if constexpr (Varied) {
            if (const float* p = b.variant.peephole) {
                earlier = earlier + di * load(p + at.u, at.width);
                earlier = earlier + df * load(p + units + at.u, at.width);
            }
        }
        store(carry, at.width, earlier);
        float* grad = b.grad_gates + at.row * 4 * units + at.u;
        store(grad, at.width, di);
        store(grad + units, at.width, df);
        store(grad + 2 * units, at.width, dg);
        store(grad + 3 * units, at.width, dout);
    }

    // What reaches the h before without passing the product.
    CATENA_INLINE static Row direct(const Backward&, const Place&, Row) { return zeros(); }
};

}  // namespace catena::CATENA_ARCH
