// The one loop over time, forwards and backwards; a cell plugs in its pointwise part.
//
// At step t the sequences that are still running are the first sizes[t] rows. A team splits either
// those rows, every member walking through time alone, or the units, all meeting once a step.
#pragma once

#include "product.hpp"
#include "cells/common.hpp"
#include "norm.hpp"
#include "threads.hpp"

namespace catena::CATENA_ARCH {

inline long blocks_of(long units) { return (units + kPanel - 1) / kPanel; }

// What one member of the team works on.
struct Share {
    const Shape& shape;
    const Member& member;
    long first, last;            // blocks of 16 units
    long seen_first, seen_last;  // blocks of 16 numbers of h

    Share(const Shape& s, const Member& m)
        : shape(s), member(m), first(0), last(blocks_of(s.units)), seen_first(0), seen_last(blocks_of(s.seen)) {
        if (s.by_rows) return;
        divide(first, last);
        divide(seen_first, seen_last);
    }

    void divide(long& from, long& to) const {
        const long all = to;
        from = all * member.index / member.count;
        to = all * (member.index + 1) / member.count;
    }

    Rows rows(long live) const { return shape.by_rows ? whole_rows(live) : Rows{0, 1, live}; }

    // Rows that one member does from the first unit to the last.
    Rows whole_rows(long live) const {
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

template <class Cell, bool Varied, bool Normed>
class ForwardLoop {
public:
    ForwardLoop(const Forward& call, const Member& member) : f_(call), share_(call.shape, member) {}

    void run() {
        Step step{0, 0, 0, 0};
        for (; step.t < f_.shape.steps; ++step.t) {
            step.live = f_.shape.sizes[step.t];
            if constexpr (Normed) advance_normed(step);
            else advance(step, share_.rows(step.live));
            if constexpr (Cell::projected) project(step, share_.rows(step.live));
            share_.meet();
            step.former = step.row;
            step.row += step.live;
        }
    }

private:
    void advance(const Step& step, const Rows& rows) {
        for (long block = share_.first; block < share_.last; block += Cell::blocks) {
            groups(rows, [&](const Group& group) { work(step, block, group, rows.stride); });
        }
        keep_last(step, rows, share_.first, share_.last);
    }

    // The product by units, the rest by rows: a norm needs all units of a row.
    void advance_normed(const Step& step) {
        const Rows rows = share_.rows(step.live);
        for (long block = share_.first; block < share_.last; block += Cell::blocks) {
            groups(rows, [&](const Group& group) { product(step, block, group, rows.stride); });
        }
        share_.meet();
        const Rows whole = share_.whole_rows(step.live);
        for (long i = 0; i < whole.count; ++i) normalise(step, whole.first + i * whole.stride);
        keep_last(step, whole, 0, blocks_of(f_.shape.units));
    }

    float* room(long j) const { return f_.norm.room + j * Cell::gates * f_.shape.units; }

    void product(const Step& step, long block, const Group& group, long stride) {
        const long units = f_.shape.units;
        const int blocks = blocks_from(block), panels = blocks * Cell::gates;
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) sums[i] = {};
        multiply(group, panels, factors(step, block, stride), sums);
        for (int i = 0; i < group.count; ++i) {
            for (int p = 0; p < panels; ++p) {
                const long b = block + p / Cell::gates, to = p % Cell::gates * units + b * kPanel;
                for (int r = 0; r < group.tiles[i].height; ++r) {
                    store(room(group.tiles[i].row + r * stride) + to, share_.width(b), load_full(sums[i].at[p][r]));
                }
            }
        }
    }

    // A step of one sequence, from its whole product on.
    void normalise(const Step& step, long j) {
        const long units = f_.shape.units, wide = Cell::gates * units, row = step.row + j;
        float* y = f_.norm.normal + row * wide;
        const Moments m = moments(room(j), wide);
        f_.norm.scale[row] = m.scale;
        for (long i = 0; i < wide; i += kPanel) {
            const int width = width_at(i, wide);
            store(y + i, width, m.normal(load(room(j) + i, width)));
        }
        for (long u = 0; u < units; u += kPanel) {
            const Place at = place(step, j, u, width_at(u, units));
            Row pre[Cell::gates];
            for (int g = 0; g < Cell::gates; ++g) pre[g] = normed_sum(at, g, y + g * units + u);
            remember_or_emit(step, at, pre);
        }
        if (Cell::memory && f_.norm.gain_c) emit_normed(step, j);
    }

    // What goes into gate g: the input's share and the normalised product; a GRU's n has the latter alone.
    CATENA_INLINE Row normed_sum(const Place& at, int g, const float* y) const {
        const long units = f_.shape.units, from = g * units + at.u;
        const Row own = load(y, at.width) * load(f_.norm.gain + from, at.width) + load(f_.norm.bias + from, at.width);
        if (Cell::gates == 3 && g == 2) return own;
        return load(f_.gates + at.row * Cell::width * units + from, at.width) + own;
    }

    CATENA_INLINE void remember_or_emit(const Step& step, const Place& at, Row* pre) {
        if constexpr (Cell::memory) {
            if (f_.norm.gain_c) {
                const Row c = Cell::template remember<Varied>(f_, at, pre);
                store(room(at.j) + at.u, at.width, c);
                return store(room(at.j) + f_.shape.units + at.u, at.width, pre[3]);
            }
        }
        emit(step, at, Cell::template forward<Varied>(f_, at, pre));
    }

    // h = o * tanh(norm of c), from the c and o that lie in the row's room.
    void emit_normed(const Step& step, long j) {
        const long units = f_.shape.units;
        const Moments m = moments(room(j), units);
        for (long u = 0; u < units; u += kPanel) {
            const Place at = place(step, j, u, width_at(u, units));
            const Row gain = load(f_.norm.gain_c + u, at.width), bias = load(f_.norm.gain_c + units + u, at.width);
            const Row seen = m.normal(load(room(j) + u, at.width)) * gain + bias;
            emit(step, at, load(room(j) + units + u, at.width) * tanh(seen));
        }
    }

    int blocks_from(long block) const {
        return static_cast<int>(share_.last - block < Cell::blocks ? share_.last - block : Cell::blocks);
    }

    const float* h_before(const Step& step, long j) const {
        return step.t ? f_.out + (step.former + j) * f_.shape.seen : f_.h0 + j * f_.shape.seen;
    }

    const float* c_before(const Step& step, long j) const {
        return step.t ? f_.c + (step.former + j) * f_.shape.units : f_.c0 + j * f_.shape.units;
    }

    // What goes into the product at this step: h, or h times the mask.
    const float* input(const Step& step) const {
        if (Varied && f_.variant.mask) return f_.masked + (step.t % 2) * f_.n * f_.shape.seen;
        return h_before(step, 0);
    }

    // The product of a strip of blocks.
    CATENA_INLINE Operands factors(const Step& step, long block, long stride) const {
        const long seen = f_.shape.seen, apart = seen * kPanel;
        return {seen, input(step), stride * seen, seen, f_.packed + block * Cell::gates * apart, apart};
    }

    // Some tiles of a strip of blocks: their products, then what is done with them.
    void work(const Step& step, long block, const Group& group, long stride) {
        const int blocks = blocks_from(block);
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) begin(step, block, blocks, group.tiles[i], stride, sums[i]);
        multiply(group, blocks * Cell::gates, factors(step, block, stride), sums);
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
                store_full(sums.at[p][r], load((reset ? f_.bias : row + gate * units) + u, share_.width(b)));
            }
        }
    }

    CATENA_INLINE Place place(const Step& step, long j, long u, int width) const {
        const float* c = nullptr;
        if constexpr (Cell::memory) {
            c = (f_.c ? c_before(step, j) : f_.last_c + j * f_.shape.units) + u;
        }
        const float* h = Cell::projected ? nullptr : h_before(step, j) + u;
        return {step.row + j, f_.shape.done + step.t, j, u, width, h, c};
    }

    CATENA_INLINE Place place_in_h(const Step& step, long j, long u) const {
        const int width = width_at(u, f_.shape.seen);
        return {step.row + j, f_.shape.done + step.t, j, u, width, h_before(step, j) + u, nullptr};
    }

    CATENA_INLINE void finish(const Step& step, long block, int b, long j, int r, const Scratch& sums) {
        const Place at = place(step, j, block * kPanel, share_.width(block));
        Row pre[Cell::gates];
        for (int g = 0; g < Cell::gates; ++g) pre[g] = load_full(sums.at[b * Cell::gates + g][r]);
        emit(step, at, Cell::template forward<Varied>(f_, at, pre));
    }

    // What the cell gives: h, or what is yet to be projected.
    CATENA_INLINE void emit(const Step& step, const Place& at, Row h) {
        if constexpr (Cell::projected) store(f_.hidden + at.j * f_.shape.units + at.u, at.width, h);
        else show(step, at, h);
    }

    // Zoneout, the mask for the next step, and h in its place.
    CATENA_INLINE void show(const Step& step, const Place& at, Row h) {
        const long seen = f_.shape.seen;
        if constexpr (Varied) {
            if (f_.variant.zone_h > 0) {
                h = blend(kept(f_.variant, f_.variant.zone_h, 0, at), load(at.h, at.width), h);
            }
            if (f_.variant.mask) {
                float* next = f_.masked + (((step.t + 1) % 2) * f_.n + at.j) * seen + at.u;
                store(next, at.width, h * load(f_.variant.mask + at.j * seen + at.u, at.width));
            }
        }
        store(f_.out + at.row * seen + at.u, at.width, h);
    }

    // h = P m, once all of m is there.
    void project(const Step& step, const Rows& rows) {
        share_.meet();
        for (long block = share_.seen_first; block < share_.seen_last; block += kStrip) {
            groups(rows, [&](const Group& group) { project(step, block, group, rows.stride); });
        }
        leave(step, rows, share_.seen_first, share_.seen_last, f_.shape.seen, f_.out, f_.last_h);
    }

    void project(const Step& step, long block, const Group& group, long stride) {
        const long units = f_.shape.units, apart = units * kPanel;
        const int panels = static_cast<int>(least(share_.seen_last - block, kStrip));
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) sums[i] = {};
        multiply(group, panels, {units, f_.hidden, stride * units, units, f_.projection + block * apart, apart}, sums);
        for (int i = 0; i < group.count; ++i) {
            for (int p = 0; p < panels; ++p) {
                for (int r = 0; r < group.tiles[i].height; ++r) {
                    const Place at = place_in_h(step, group.tiles[i].row + r * stride, (block + p) * kPanel);
                    show(step, at, load_full(sums[i].at[p][r]));
                }
            }
        }
    }

    // Sequences that end here leave their state behind.
    void keep_last(const Step& step, const Rows& rows, long first, long last) {
        if constexpr (!Cell::projected) leave(step, rows, first, last, f_.shape.units, f_.out, f_.last_h);
        if (Cell::memory && f_.c) leave(step, rows, first, last, f_.shape.units, f_.c, f_.last_c);
    }

    // Some blocks of h or c, with so many numbers a row.
    void leave(const Step& step, const Rows& rows, long first, long last, long numbers, const float* all,
               float* to) const {
        const long next = step.t + 1 < f_.shape.steps ? f_.shape.sizes[step.t + 1] : 0;
        for (long i = 0; i < rows.count; ++i) {
            const long j = rows.first + i * rows.stride;
            if (j < next) continue;
            for (long block = first; block < last; ++block) {
                const long u = block * kPanel;
                const int width = width_at(u, numbers);
                store(to + j * numbers + u, width, load(all + (step.row + j) * numbers + u, width));
            }
        }
    }

    const Forward& f_;
    const Share share_;
};

template <class Cell, bool Varied, bool Normed>
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
            if constexpr (Cell::projected) through_projection(step, share_.rows(live));
            if constexpr (Normed) retreat_normed(step);
            else retreat(step, share_.rows(live));
            share_.meet();
            through_weights(step, share_.rows(live));
            if constexpr (Normed && !Cell::projected) share_.meet();
        }
    }

private:
    const float* h_before(const Step& step, long j) const {
        return step.t ? b_.out + (step.former + j) * b_.shape.seen : b_.h0 + j * b_.shape.seen;
    }

    const float* c_before(const Step& step, long j) const {
        return step.t ? b_.c + (step.former + j) * b_.shape.units : b_.c0 + j * b_.shape.units;
    }

    // From the gradient of h to that of m, in the room for m.
    void through_projection(const Step& step, const Rows& rows) {
        for (long i = 0; i < rows.count; ++i) {
            for (long block = share_.seen_first; block < share_.seen_last; ++block) {
                const Place at = place_in_h(step, rows.first + i * rows.stride, block * kPanel);
                store(b_.grad_h + at.row * b_.shape.seen + at.u, at.width, through_zoneout(at));
            }
        }
        share_.meet();
        for (long block = share_.first; block < share_.last; block += kStrip) {
            groups(rows, [&](const Group& group) { through_projection(step, block, group, rows.stride); });
        }
        if constexpr (Normed) share_.meet();
    }

    void through_projection(const Step& step, long block, const Group& group, long stride) {
        const long seen = b_.shape.seen, apart = seen * kPanel;
        const int panels = static_cast<int>(least(share_.last - block, kStrip));
        const float* grads = b_.grad_h + step.row * seen;
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) sums[i] = {};
        multiply(group, panels, {seen, grads, stride * seen, seen, b_.projection + block * apart, apart}, sums);
        for (int i = 0; i < group.count; ++i) {
            for (int p = 0; p < panels; ++p) {
                for (int r = 0; r < group.tiles[i].height; ++r) {
                    const long row = step.row + group.tiles[i].row + r * stride, u = (block + p) * kPanel;
                    store(hidden(row, u), share_.width(block + p), load_full(sums[i].at[p][r]));
                }
            }
        }
    }

    float* hidden(long row, long u) const { return b_.hidden + row * b_.shape.units + u; }

    void retreat(const Step& step, const Rows& rows) {
        for (long i = 0; i < rows.count; ++i) {
            for (long block = share_.first; block < share_.last; ++block) {
                through_gates(step, block, rows.first + i * rows.stride);
            }
        }
    }

    void retreat_normed(const Step& step) {
        const Rows whole = share_.whole_rows(step.live);
        for (long i = 0; i < whole.count; ++i) {
            const long j = whole.first + i * whole.stride;
            through_row(step, j);
            through_norm(step.row + j);
            if (++held_ % kSlice == 0) put_away();
        }
    }

    void through_row(const Step& step, long j) {
        if constexpr (Cell::memory) {
            if (b_.norm.gain_c) return through_normed_memory(step, j);
        }
        for (long block = 0; block < blocks_of(b_.shape.units); ++block) through_gates(step, block, j);
    }

    // This member's sums of late, and after them those it has put away: a long sum rounds less in parts.
    float* sums() const { return b_.norm.sums + share_.member.index * 2 * kept_sums(); }
    long kept_sums() const { return (Cell::gates + 2) * b_.shape.units; }

    void put_away() const {
        float *late = sums(), *whole = late + kept_sums();
        for (long i = 0; i < kept_sums(); ++i) {
            whole[i] += late[i];
            late[i] = 0;
        }
    }

    // From the gradient of the gates' sums to that of W h.
    void through_norm(long row) {
        const long units = b_.shape.units, wide = Cell::gates * units;
        const float* grad = b_.grad_gates + (row * Cell::width + Cell::skip) * units;
        const float* y = b_.norm.normal + row * wide;
        float* to = b_.norm.grads + row * wide;
        Projection projection;
        for (long i = 0; i < wide; i += kPanel) {
            const int width = width_at(i, wide);
            const Row d = load(grad + i, width), normal = load(y + i, width);
            add_to(sums() + i, width, d * normal);
            const Row of_normal = d * load(b_.norm.gain + i, width);
            projection.add(of_normal, normal);
            store(to + i, width, of_normal);
        }
        const Back back(projection, b_.norm.scale[row], wide);
        for (long i = 0; i < wide; i += kPanel) {
            const int width = width_at(i, wide);
            store(to + i, width, back(load(to + i, width), load(y + i, width)));
        }
    }

    // An LSTM's way back where tanh saw the norm of c. The row's room holds c, o's gradient and that
    // of the normal c.
    void through_normed_memory(const Step& step, long j) {
        const long units = b_.shape.units;
        float* c = b_.norm.room + j * Cell::gates * units;
        for (long u = 0; u < units; u += kPanel) {
            const Place at = place(step, j, u, width_at(u, units));
            store(c + u, at.width, Cell::fresh(b_, at));
        }
        const Moments m = moments(c, units);
        Projection projection;
        for (long u = 0; u < units; u += kPanel) through_output(step, j, u, m, projection);
        const Back back(projection, m.scale, units);
        for (long u = 0; u < units; u += kPanel) {
            const Place at = place(step, j, u, width_at(u, units));
            const Row dc = back(load(c + 2 * units + u, at.width), m.normal(load(c + u, at.width)));
            Cell::template through_memory<Varied>(b_, at, load(c + units + u, at.width), dc);
        }
    }

    void through_output(const Step& step, long j, long u, const Moments& m, Projection& projection) {
        const long units = b_.shape.units;
        float* c = b_.norm.room + j * Cell::gates * units + u;
        const Place at = place(step, j, u, width_at(u, units));
        const Row dh = of_output(at), normal = m.normal(load(c, at.width));
        const Row o = load(b_.gates + (at.row * 4 + 3) * units + u, at.width);
        const Row gain = load(b_.norm.gain_c + u, at.width);
        const Row seen = tanh(normal * gain + load(b_.norm.gain_c + units + u, at.width));
        if constexpr (Cell::projected) store(hidden(at.row, u), at.width, o * seen);
        const Row dy = dh * o * (1.0f - seen * seen);
        float* sum = sums() + Cell::gates * units + u;
        add_to(sum, at.width, dy * normal);
        add_to(sum + units, at.width, dy);
        projection.add(dy * gain, normal);
        store(c + units, at.width, dh * seen * o * (1.0f - o));
        store(c + 2 * units, at.width, dy * gain);
    }

    CATENA_INLINE Place place(const Step& step, long j, long u, int width) const {
        const float* c = nullptr;
        if constexpr (Cell::memory) c = c_before(step, j) + u;
        const float* h = Cell::projected ? nullptr : h_before(step, j) + u;
        return {step.row + j, b_.shape.done + step.t, j, u, width, h, c};
    }

    CATENA_INLINE Place place_in_h(const Step& step, long j, long u) const {
        const int width = width_at(u, b_.shape.seen);
        return {step.row + j, b_.shape.done + step.t, j, u, width, h_before(step, j) + u, nullptr};
    }

    // The gradient of what the cell gave.
    CATENA_INLINE Row of_output(const Place& at) const {
        if constexpr (Cell::projected) return load(hidden(at.row, at.u), at.width);
        else return through_zoneout(at);
    }

    // The gradient of the fresh h; what reaches the h before past it goes into the carry.
    CATENA_INLINE Row through_zoneout(const Place& at) const {
        float* carry = b_.carry_h + at.j * b_.shape.seen + at.u;
        Row dh = load(b_.grad_out + at.row * b_.shape.seen + at.u, at.width) + load(carry, at.width);
        Row direct = zeros();
        if constexpr (Varied) {
            if (b_.variant.zone_h > 0) {
                direct = kept(b_.variant, b_.variant.zone_h, 0, at) * dh;
                dh = dh - direct;
            }
        }
        store(carry, at.width, direct + Cell::direct(b_, at, dh));
        return dh;
    }

    CATENA_INLINE void through_gates(const Step& step, long block, long j) {
        const Place at = place(step, j, block * kPanel, share_.width(block));
        const Row dh = of_output(at);
        Row h = zeros();
        if constexpr (Cell::width == 1) h = load(b_.gates + at.row * b_.shape.units + at.u, at.width);
        Cell::template backward<Varied>(b_, at, dh, h);
    }

    // carry += d @ W, slice by slice of the sum: a slice of a panel stays in the nearest cache.
    void through_weights(const Step& step, const Rows& rows) {
        constexpr long kReach = 2 * kSlice;
        const long units = b_.shape.units, depth = Cell::gates * units, apart = depth * kPanel;
        const long pitch = Normed ? depth : Cell::width * units;
        const float* grads =
            Normed ? b_.norm.grads + step.row * pitch : b_.grad_gates + step.row * pitch + Cell::skip * units;
        for (long k = 0; k < depth; k += kReach) {
            const long slice = depth - k < kReach ? depth - k : kReach;
            for (long block = share_.seen_first; block < share_.seen_last; block += kStrip) {
                const Operands in{slice, grads + k, rows.stride * pitch, pitch,
                                  b_.packed + block * apart + k * kPanel, apart};
                groups(rows, [&](const Group& group) { add_product(in, block, group, rows.stride); });
            }
        }
    }

    void add_product(const Operands& in, long block, const Group& group, long stride) {
        const int panels = static_cast<int>(least(share_.seen_last - block, kStrip));
        Scratch sums[kGroup];
        for (int i = 0; i < group.count; ++i) sums[i] = {};
        multiply(group, panels, in, sums);
        for (int i = 0; i < group.count; ++i) {
            for (int p = 0; p < panels; ++p) add_tile(sums[i].at[p], block + p, group.tiles[i], stride);
        }
    }

    CATENA_INLINE void add_tile(const float (*sums)[kPanel], long block, const Tile& tile, long stride) {
        const int width = width_at(block * kPanel, b_.shape.seen);
        for (int r = 0; r < tile.height; ++r) {
            const long at = (tile.row + r * stride) * b_.shape.seen + block * kPanel;
            Row sum = load_full(sums[r]);
            if (Varied && b_.variant.mask) sum = sum * load(b_.variant.mask + at, width);
            store(b_.carry_h + at, width, load(b_.carry_h + at, width) + sum);
        }
    }

    const Backward& b_;
    const Share share_;
    long held_ = 0;  // rows in the sums of late, and put away
};

}  // namespace catena::CATENA_ARCH
