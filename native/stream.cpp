// One step of a stack of layers; compiled once for each instruction set.
//
// Reading the weights is nearly all of the work, so they are read once, in the order in which they lie.
// A number is summed as it is when a layer runs through time: the bias, then W_ih x, then W_hh h, each
// from the first factor to the last.
#include "stream.hpp"

#include <type_traits>

#include "cell.hpp"
#include "cells/elman.hpp"
#include "cells/gru.hpp"
#include "cells/lstm.hpp"

namespace catena::CATENA_ARCH {
namespace {

// A slice of a strip that several tiles of rows share stays in the nearest cache.
constexpr long kSlice = 64;
constexpr long kAhead = 512;

// A strip's weights from some row on, and the rows of what they are multiplied by.
template <class Weight>
struct Factors {
    const float* a;
    long stride, depth;
    const Weight* weights;
};

// A bfloat16 is the upper half of a float: a shift or a mask brings it back.
struct BfloatPair {
    std::uint32_t bits;
};

// Rows of a matrix that lie in one row of what is stored.
template <class Weight>
constexpr long kDeep = std::is_same_v<Weight, BfloatPair> ? 2 : 1;

template <class Weight>
constexpr long stored(long rows) { return (rows + kDeep<Weight> - 1) / kDeep<Weight>; }

template <int Deep>
CATENA_INLINE Vector widened(const float* p) { return load(p); }

template <int Deep>
CATENA_INLINE Vector widened(const BfloatPair* p) {
    typedef std::uint32_t Pairs __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
    const Naturals pairs = *reinterpret_cast<const Pairs*>(p);
    return reinterpret_cast<Vector>(Deep ? pairs & 0xFFFF0000u : pairs << 16);
}

// sum[p] += a[:, k] · row k of panel p, which is number `Deep` of those at `weights`.
template <int Deep, int Rows, int Wide, class Weight>
CATENA_INLINE void add_row(const Factors<Weight>& in, long k, const Weight* weights, Vector (&sum)[Wide][Rows][kVectors]) {
#pragma GCC unroll 4
    for (int p = 0; p < Wide; ++p) {
        Vector column[kVectors];
        CATENA_EACH(v) column[v] = widened<Deep>(weights + p * kPanel + v * kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) {
            CATENA_EACH(v) sum[p][r][v] += in.a[r * in.stride + k] * column[v];
        }
    }
}

// at[p][r] += a[r, :] · panel p, for panels first <= p < first + Wide of a strip of `pitch` numbers a row.
template <int Rows, int Wide, class Weight>
void add(const Factors<Weight>& in, long pitch, Panels at) {
    constexpr long kRows = kDeep<Weight>;
    Vector sum[Wide][Rows][kVectors];
#pragma GCC unroll 4
    for (int p = 0; p < Wide; ++p)
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) CATENA_EACH(v) sum[p][r][v] = load(&at[p][r][v * kLanes]);
    const Weight* weights = in.weights;
    for (long k = 0; k + kRows <= in.depth; k += kRows, weights += pitch) {
#pragma GCC unroll 4
        for (int p = 0; p < Wide; ++p) __builtin_prefetch(weights + kAhead + p * kPanel);
        add_row<0>(in, k, weights, sum);
        if constexpr (kRows == 2) add_row<1>(in, k + 1, weights, sum);
    }
    if (in.depth % kRows) add_row<0>(in, in.depth - 1, weights, sum);
#pragma GCC unroll 4
    for (int p = 0; p < Wide; ++p)
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) CATENA_EACH(v) store(&at[p][r][v * kLanes], sum[p][r][v]);
}

template <int Rows, int Panels_, class Weight>
void add_strip(const Factors<Weight>& in, Panels at) {
    constexpr int kWide = kAbreast<Rows> < Panels_ ? kAbreast<Rows> : Panels_;
    constexpr long kPitch = Panels_ * kPanel;
    constexpr int kWhole = Panels_ / kWide * kWide;
    for (int p = 0; p < kWhole; p += kWide) {
        Factors<Weight> own = in;
        own.weights += p * kPanel;
        add<Rows, kWide>(own, kPitch, at + p);
    }
    if constexpr (kWhole < Panels_) {
        Factors<Weight> own = in;
        own.weights += kWhole * kPanel;
        add<Rows, Panels_ - kWhole>(own, kPitch, at + kWhole);
    }
}

template <int Panels_, class Weight>
void add_rows(int rows, const Factors<Weight>& in, Panels at) {
    switch (rows) {
        case 1: return add_strip<1, Panels_>(in, at);
        case 2: return add_strip<2, Panels_>(in, at);
        case 3: return add_strip<3, Panels_>(in, at);
#if defined(__AVX2__) || defined(__AVX512F__)
        case 4: return add_strip<4, Panels_>(in, at);
        case 5: return add_strip<5, Panels_>(in, at);
        case 6: return add_strip<6, Panels_>(in, at);
#endif
        default: __builtin_unreachable();
    }
}

template <class Weight>
void add_panels(int rows, int panels, const Factors<Weight>& in, Panels at) {
    switch (panels) {
        case 1: return add_rows<1>(rows, in, at);
        case 2: return add_rows<2>(rows, in, at);
        case 3: return add_rows<3>(rows, in, at);
        case 4: return add_rows<4>(rows, in, at);
        default: __builtin_unreachable();
    }
}

template <class Cell, bool Varied, class Weight>
class StackStep {
public:
    StackStep(const Stream& stream, const Member& member) : s_(stream), member_(member) {
        f_.shape.units = s_.units;
        f_.variant = s_.variant;
        f_.gates = s_.gates;
    }

    void run() {
        for (long l = 0; l < s_.depth; ++l) {
            if (l) member_.wait();
            enter(l);
            const long strips = (blocks_of(s_.units) + kBlocks - 1) / kBlocks;
            const long last = strips * (member_.index + 1) / member_.count;
            for (long strip = strips * member_.index / member_.count; strip < last; ++strip) {
                layer_->norm_x ? multiply_apart(strip * kBlocks) : work(strip * kBlocks);
            }
            if (layer_->norm_x) {  // which needs all units of a row
                member_.wait();
                for (long row = member_.index; row < s_.rows; row += member_.count) normalise(row);
            }
        }
    }

private:
    static constexpr int kBlocks = blocks_of_strip(Cell::gates);
    static constexpr bool kResets = Cell::gates == 3;  // n's share of W_hh h goes through the reset gate

    void enter(long l) {
        const long step = s_.rows * s_.units;
        layer_ = &s_.layers[l];
        x_ = l ? s_.fresh + (l - 1) * step : s_.x;
        h_ = s_.h + l * step;
        fresh_ = s_.fresh + l * step;
        if constexpr (Cell::memory) f_.last_c = s_.c + l * step;
        f_.variant.peephole = layer_->peephole;
    }

    int width(long block) const { return static_cast<int>(least(s_.units - block * kPanel, kPanel)); }

    static long least(long a, long b) { return a < b ? a : b; }

    // Some blocks of units and their weights.
    struct Strip {
        long block;
        int blocks;
        const Weight *of_x, *of_h;
    };

    Strip strip(long block) const {
        const int blocks = static_cast<int>(least(blocks_of(s_.units) - block, kBlocks));
        const long of_x = stored<Weight>(layer_->inputs), whole = of_x + stored<Weight>(s_.units);
        const Weight* weights = static_cast<const Weight*>(layer_->weights) + block * Cell::gates * kPanel * whole;
        return {block, blocks, weights, weights + of_x * blocks * Cell::gates * kPanel};
    }

    void add_x(const Strip& on, long row, int rows, Scratch& sums) const {
        multiply(rows, on.blocks, {x_ + row * layer_->inputs, layer_->inputs, layer_->inputs, on.of_x}, sums);
    }

    void add_h(const Strip& on, long row, int rows, Scratch& sums) const {
        multiply(rows, on.blocks, {h_ + row * s_.units, s_.units, s_.units, on.of_h}, sums);
    }

    void work(long block) {
        const Strip on = strip(block);
        for (long row = 0; row < s_.rows; row += kTile) {
            const int rows = static_cast<int>(least(s_.rows - row, kTile));
            Scratch sums;
            begin(block, on.blocks, rows, sums);
            add_x(on, row, rows, sums);
            if constexpr (kResets) set_aside(block, row, rows, sums);
            add_h(on, row, rows, sums);
            for (int b = 0; b < on.blocks; ++b) {
                for (int r = 0; r < rows; ++r) finish(block + b, b, row + r, r, sums);
            }
        }
    }

    float* room(long row, int part) const { return s_.room + (2 * row + part) * Cell::gates * s_.units; }

    // Both products of a strip, each by itself.
    void multiply_apart(long block) {
        const Strip on = strip(block);
        for (long row = 0; row < s_.rows; row += kTile) {
            const int rows = static_cast<int>(least(s_.rows - row, kTile));
            Scratch of_x{}, of_h{};
            add_x(on, row, rows, of_x);
            add_h(on, row, rows, of_h);
            for (int p = 0; p < on.blocks * Cell::gates; ++p) {
                const long b = block + p / Cell::gates, at = p % Cell::gates * s_.units + b * kPanel;
                for (int r = 0; r < rows; ++r) {
                    store(room(row + r, 0) + at, width(b), load_full(of_x.at[p][r]));
                    store(room(row + r, 1) + at, width(b), load_full(of_h.at[p][r]));
                }
            }
        }
    }

    // A row from its whole products on.
    void normalise(long row) {
        const long wide = Cell::gates * s_.units;
        const Moments x = moments(room(row, 0), wide), h = moments(room(row, 1), wide);
        for (long block = 0; block < blocks_of(s_.units); ++block) {
            const Place at = place(row, block);
            Row pre[Cell::gates];
            for (int g = 0; g < Cell::gates; ++g) {
                const long from = g * s_.units + at.u;
                pre[g] = x.normal(load(room(row, 0) + from, at.width)) * load(layer_->norm_x + from, at.width);
                if (layer_->bias) pre[g] = pre[g] + load(layer_->bias + from, at.width);
                Row own = h.normal(load(room(row, 1) + from, at.width)) * load(layer_->norm_h + from, at.width);
                if (kResets && g == Cell::gates - 1) {
                    store(aside(row, at.u), at.width, pre[g]);
                    pre[g] = own + load(layer_->bias_n + at.u, at.width);
                } else {
                    pre[g] = pre[g] + own;
                }
            }
            remember_or_emit(at, pre);
        }
        if (Cell::memory && layer_->norm_c) emit_normed(row);
    }

    // With a norm of c, c and o take the place of products that are done with.
    CATENA_INLINE void remember_or_emit(const Place& at, Row* pre) {
        if constexpr (Cell::memory) {
            if (layer_->norm_c) {
                store(room(at.row, 0) + at.u, at.width, Cell::template remember<Varied>(f_, at, pre));
                return store(room(at.row, 1) + at.u, at.width, pre[3]);
            }
        }
        emit(at, Cell::template forward<Varied>(f_, at, pre));
    }

    void emit_normed(long row) {
        const Moments c = moments(room(row, 0), s_.units);
        for (long block = 0; block < blocks_of(s_.units); ++block) {
            const Place at = place(row, block);
            const Row gain = load(layer_->norm_c + at.u, at.width);
            const Row seen = c.normal(load(room(row, 0) + at.u, at.width)) * gain +
                             load(layer_->norm_c + s_.units + at.u, at.width);
            emit(at, load(room(row, 1) + at.u, at.width) * tanh(seen));
        }
    }

    // Where W_in x + b of a GRU's n waits for the reset gate.
    float* aside(long row, long u) const {
        return f_.gates + (row * Cell::width + Cell::gates - 1) * s_.units + u;
    }

    CATENA_INLINE void begin(long block, int blocks, int rows, Scratch& sums) const {
        for (int p = 0; p < blocks * Cell::gates; ++p) {
            const long b = block + p / Cell::gates, at = p % Cell::gates * s_.units + b * kPanel;
            const Row bias = layer_->bias ? load(layer_->bias + at, width(b)) : zeros();
            for (int r = 0; r < rows; ++r) store_full(sums.at[p][r], bias);
        }
    }

    CATENA_INLINE void set_aside(long block, long row, int rows, Scratch& sums) const {
        const int n = Cell::gates - 1;
        const long u = block * kPanel;
        const Row bias = load(layer_->bias_n + u, width(block));
        for (int r = 0; r < rows; ++r) {
            store(aside(row + r, u), width(block), load_full(sums.at[n][r]));
            store_full(sums.at[n][r], bias);
        }
    }

    // One row reads each weight once, whatever the length of a slice.
    void multiply(int rows, int blocks, Factors<Weight> in, Scratch& sums) const {
        const int panels = blocks * Cell::gates;
        const long depth = in.depth, slice = rows == 1 ? depth : kSlice;
        for (long k = 0; k < depth; k += slice) {
            in.depth = least(depth - k, slice);
            add_panels(rows, panels, in, sums.at);
            in.a += slice;
            in.weights += stored<Weight>(slice) * panels * kPanel;
        }
    }

    CATENA_INLINE Place place(long row, long block) const {
        const long u = block * kPanel, from = row * s_.units + u;
        const float* c = Cell::memory ? f_.last_c + from : nullptr;
        return {row, 0, row, u, width(block), h_ + from, c};
    }

    CATENA_INLINE void finish(long block, int b, long row, int r, const Scratch& sums) {
        Row pre[Cell::gates];
        for (int g = 0; g < Cell::gates; ++g) pre[g] = load_full(sums.at[b * Cell::gates + g][r]);
        const Place at = place(row, block);
        emit(at, Cell::template forward<Varied>(f_, at, pre));
    }

    CATENA_INLINE void emit(const Place& at, Row h) {
        if constexpr (Varied) {
            if (f_.variant.zone_h > 0) {
                h = blend(kept(f_.variant, f_.variant.zone_h, 0, at), load(at.h, at.width), h);
            }
        }
        store(fresh_ + at.row * s_.units + at.u, at.width, h);
    }

    const Stream& s_;
    const Member& member_;
    Forward f_{};
    const StreamLayer* layer_ = nullptr;
    const float *x_ = nullptr, *h_ = nullptr;
    float* fresh_ = nullptr;
};

template <class Cell, bool Varied, class Weight>
void run_step(const Stream& stream) {
    run_team(stream.threads, [](void* context, const Member& member) {
        StackStep<Cell, Varied, Weight>(*static_cast<const Stream*>(context), member).run();
    }, const_cast<Stream*>(&stream));
}

template <class Cell, bool Varied>
void run_weights(const Stream& stream) {
    if (stream.half) run_step<Cell, Varied, BfloatPair>(stream);
    else run_step<Cell, Varied, float>(stream);
}

template <class Cell>
void run_varied(const Stream& stream) {
    if (any(stream.variant) || stream.layers[0].peephole) run_weights<Cell, true>(stream);
    else run_weights<Cell, false>(stream);
}

void step(const Stream& stream) {
    switch (stream.kind) {
        case Kind::rnn_tanh: return run_varied<Elman<false>>(stream);
        case Kind::rnn_relu: return run_varied<Elman<true>>(stream);
        case Kind::gru: return run_varied<Gru>(stream);
        case Kind::lstm: return run_varied<Lstm<false>>(stream);
    }
}

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) step_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
void CATENA_NAME(CATENA_ARCH)(const Stream& stream) { CATENA_ARCH::step(stream); }
}  // namespace catena
