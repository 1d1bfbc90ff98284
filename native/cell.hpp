// The one loop over time, forwards and backwards; a cell plugs in its pointwise part.
//
// At step t the sequences that are still running are the first sizes[t] rows. A team splits either
// those rows, every member walking through time alone, or the units, all meeting once a step.
#pragma once

#include "product.hpp"
#include "cells/common.hpp"
#include "threads.hpp"

namespace catena::CATENA_ARCH {

inline long blocks_of(long units) { return (units + kPanel - 1) / kPanel; }

// What one member of the team works on.
struct Share {
    const Shape& shape;
    const Member& member;
    long first, last;  // blocks of 16 units

    Share(const Shape& s, const Member& m) : shape(s), member(m), first(0), last(blocks_of(s.units)) {
        if (s.by_rows) return;
        const long all = last;
        first = all * m.index / m.count;
        last = all * (m.index + 1) / m.count;
    }

    Rows rows(long live) const {
        if (!shape.by_rows) return {0, 1, live};
        return {member.index, member.count, (live - member.index + member.count - 1) / member.count};
    }

    void meet() const {
        if (!shape.by_rows) member.wait();
    }

    int width(long block) const {
        const long left = shape.units - block * kPanel;
        return static_cast<int>(left < kPanel ? left : kPanel);
    }
};

// Where step t's rows begin, and those of the step before.
struct Step {
    long t, live, row, former;
};

template <class Cell, bool Varied>
class ForwardLoop {
public:
    ForwardLoop(const Forward& call, const Member& member) : f_(call), share_(call.shape, member) {}

    void run() {
        Step step{0, 0, 0, 0};
        for (; step.t < f_.shape.steps; ++step.t) {
            step.live = f_.shape.sizes[step.t];
            const Rows rows = share_.rows(step.live);
            for (long block = share_.first; block < share_.last; block += Cell::blocks) {
                groups(rows, [&](const Group& group) { work(step, block, group, rows.stride); });
            }
            keep_last(step, rows);
            share_.meet();
            step.former = step.row;
            step.row += step.live;
        }
    }

private:
    const float* before(const Step& step, const float* all, const float* start, long j) const {
        return step.t ? all + (step.former + j) * f_.shape.units : start + j * f_.shape.units;
    }

    // What goes into the product at this step: h, or h times the mask.
    const float* input(const Step& step, long j) const {
        if (Varied && f_.variant.mask) {
            return f_.masked + ((step.t % 2) * f_.n + j) * f_.shape.units;
        }
        return before(step, f_.out, f_.h0, j);
    }

    // Some tiles of a strip of blocks: their products, then what is done with them.
    void work(const Step& step, long block, const Group& group, long stride) {
        const long units = f_.shape.units, apart = units * kPanel;
        const int blocks = static_cast<int>(
            share_.last - block < Cell::blocks ? share_.last - block : Cell::blocks);
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) begin(step, block, blocks, group.tiles[i], stride, sums[i]);
        if (f_.packed) {
            multiply(group, blocks * Cell::gates,
                     {units, input(step, 0), stride * units, units,
                      f_.packed + block * Cell::gates * apart, apart},
                     sums);
        }
        for (int i = 0; i < group.count; ++i) {
            for (int b = 0; b < blocks; ++b) {
                for (int r = 0; r < group.tiles[i].height; ++r) {
                    finish(step, block + b, b, group.tiles[i].row + r * stride, r, sums[i]);
                }
            }
        }
    }

    CATENA_INLINE void begin(const Step& step, long block, int blocks, const Tile& tile, long stride, Scratch& sums) {
        const long units = f_.shape.units;
        for (int p = 0; p < blocks * Cell::gates; ++p) {
            const long b = block + p / Cell::gates, gate = p % Cell::gates, u = b * kPanel;
            const bool reset = Cell::gates == 3 && gate == 2;  // this sum goes through the reset gate
            for (int r = 0; r < tile.height; ++r) {
                const float* row = f_.gates + (step.row + tile.row + r * stride) * Cell::width * units;
                const float* own = row + (reset ? gate + 1 : gate) * units;
                store_full(sums.at[p][r], load((reset && f_.packed ? f_.bias : own) + u, share_.width(b)));
            }
        }
    }

    CATENA_INLINE void finish(const Step& step, long block, int b, long j, int r, const Scratch& sums) {
        const long units = f_.shape.units, u = block * kPanel;
        const float* c = nullptr;
        if constexpr (Cell::memory) {
            c = (f_.c ? before(step, f_.c, f_.c0, j) : f_.last_c + j * units) + u;
        }
        const Place at{step.row + j, f_.shape.done + step.t, j, u, share_.width(block), before(step, f_.out, f_.h0, j) + u, c};
        Row pre[Cell::gates];
        for (int g = 0; g < Cell::gates; ++g) pre[g] = load_full(sums.at[b * Cell::gates + g][r]);
        Row h = Cell::template forward<Varied>(f_, at, pre);
        if constexpr (Varied) {
            if (f_.variant.zone_h > 0) {
                h = blend(kept(f_.variant, f_.variant.zone_h, 0, at), load(at.h, at.width), h);
            }
            if (f_.variant.mask) {
                float* next = f_.masked + (((step.t + 1) % 2) * f_.n + j) * units + u;
                store(next, at.width, h * load(f_.variant.mask + j * units + u, at.width));
            }
        }
        store(f_.out + at.row * units + u, at.width, h);
    }

    // Sequences that end here leave their state behind.
    void keep_last(const Step& step, const Rows& rows) {
        const long units = f_.shape.units;
        const long next = step.t + 1 < f_.shape.steps ? f_.shape.sizes[step.t + 1] : 0;
        for (long i = 0; i < rows.count; ++i) {
            const long j = rows.first + i * rows.stride;
            if (j < next) continue;
            for (long block = share_.first; block < share_.last; ++block) {
                const long u = block * kPanel, from = (step.row + j) * units + u, to = j * units + u;
                const int width = share_.width(block);
                store(f_.last_h + to, width, load(f_.out + from, width));
                if (Cell::memory && f_.c) store(f_.last_c + to, width, load(f_.c + from, width));
            }
        }
    }

    const Forward& f_;
    const Share share_;
};

template <class Cell, bool Varied>
class BackwardLoop {
public:
    BackwardLoop(const Backward& call, const Member& member) : b_(call), share_(call.shape, member) {}

    void run() {
        long row = 0;
        for (long t = 0; t < b_.shape.steps; ++t) row += b_.shape.sizes[t];
        for (long t = b_.shape.steps - 1; t >= 0; --t) {
            const long live = b_.shape.sizes[t];
            row -= live;
            const Step step{t, live, row, t ? row - b_.shape.sizes[t - 1] : 0};
            const Rows rows = share_.rows(live);
            for (long i = 0; i < rows.count; ++i) {
                for (long block = share_.first; block < share_.last; ++block) {
                    through_gates(step, block, rows.first + i * rows.stride);
                }
            }
            share_.meet();
            if (b_.packed) through_weights(step, rows);
        }
    }

private:
    const float* before(const Step& step, const float* all, const float* start, long j) const {
        return step.t ? all + (step.former + j) * b_.shape.units : start + j * b_.shape.units;
    }

    CATENA_INLINE void through_gates(const Step& step, long block, long j) {
        const long units = b_.shape.units, u = block * kPanel;
        const float* c = nullptr;
        if constexpr (Cell::memory) c = before(step, b_.c, b_.c0, j) + u;
        const Place at{step.row + j, b_.shape.done + step.t, j, u, share_.width(block), before(step, b_.out, b_.h0, j) + u, c};
        float* carry = b_.carry_h + j * units + u;
        Row dh = load(b_.grad_out + at.row * units + u, at.width) + load(carry, at.width);
        Row direct = zeros(), h = zeros();
        if constexpr (Cell::width == 1) h = load(b_.gates + at.row * units + u, at.width);
        if constexpr (Varied) {
            if (b_.variant.zone_h > 0) {
                const Row share = kept(b_.variant, b_.variant.zone_h, 0, at);
                direct = share * dh;
                dh = dh - direct;
            }
        }
        Cell::template backward<Varied>(b_, at, dh, h);
        store(carry, at.width, direct + Cell::direct(b_, at, dh));
    }

    // carry += d @ W, slice by slice of the sum: a slice of a panel stays in the nearest cache.
    void through_weights(const Step& step, const Rows& rows) {
        constexpr long kSlice = 512;
        const long units = b_.shape.units, depth = Cell::gates * units, apart = depth * kPanel;
        const long pitch = Cell::width * units;
        const float* grads = b_.grad_gates + step.row * pitch + Cell::skip * units;
        for (long k = 0; k < depth; k += kSlice) {
            const long slice = depth - k < kSlice ? depth - k : kSlice;
            for (long block = share_.first; block < share_.last; block += kStrip) {
                const Operands in{slice, grads + k, rows.stride * pitch, pitch,
                                  b_.packed + block * apart + k * kPanel, apart};
                groups(rows, [&](const Group& group) { add_product(in, block, group, rows.stride); });
            }
        }
    }

    void add_product(const Operands& in, long block, const Group& group, long stride) {
        const int panels = static_cast<int>(share_.last - block < kStrip ? share_.last - block : kStrip);
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) sums[i] = {};
        multiply(group, panels, in, sums);
        for (int i = 0; i < group.count; ++i) {
            for (int p = 0; p < panels; ++p) add_tile(sums[i].at[p], block + p, group.tiles[i], stride);
        }
    }

    CATENA_INLINE void add_tile(const float (*sums)[kPanel], long block, const Tile& tile, long stride) {
        const int width = share_.width(block);
        for (int r = 0; r < tile.height; ++r) {
            const long at = (tile.row + r * stride) * b_.shape.units + block * kPanel;
            Row sum = load_full(sums[r]);
            if (Varied && b_.variant.mask) sum = sum * load(b_.variant.mask + at, width);
            store(b_.carry_h + at, width, load(b_.carry_h + at, width) + sum);
        }
    }

    const Backward& b_;
    const Share share_;
};

}  // namespace catena::CATENA_ARCH
