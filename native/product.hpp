// Products of a few rows with a packed matrix: the work of a recurrent step.
//
// A matrix [K, columns] is packed into panels of 16 columns, `panel[k][16]`, zeros beyond its edge.
// Each number of the result is summed over k from first to last, slice by slice, whatever rows share
// the tile, so that a row's result does not depend, in any bit, on the rows beside it.
#pragma once

#include "simd.hpp"

namespace catena::CATENA_ARCH {

// Length of a slice of a sum: a panel's slice stays in the first cache, and a long sum rounds less
// where it is one of slices.
constexpr long kSlice = 256;

// Rows of a tile: as many accumulators as the registers hold.
constexpr int kTile = kLanes >= 8 ? 6 : 3;
constexpr int kStrip = 4;  // panels that are worked on together at most

inline long least(long a, long b) { return a < b ? a : b; }

// A tile's results: panel, row, column.
using Panels = float (*)[kTile][kPanel];

struct Scratch {
    alignas(64) float at[kStrip][kTile][kPanel];
};

// A slice of `depth` numbers along k: rows of `a`, `stride` apart, and panels, `apart` apart. A stride
// of 0 says that `a` is packed itself, as a[k][kTile]. `pitch` is from one row of the step to the next.
struct Operands {
    long depth;
    const float* a;
    long stride, pitch;
    const float* panels;
    long apart;
};

// at[p][r] += a[r, :] · panel p, for rows r < Rows and Wide panels. Aligned, or a loop this short gains
// and loses 6% with what happens to be linked before it.
template <int Rows, int Wide, bool Packed = false>
__attribute__((aligned(64))) void tile(const Operands& in, const float* panels, Panels at) {
    Vector sum[Wide][Rows][kVectors];
#pragma GCC unroll 4
    for (int p = 0; p < Wide; ++p)
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) CATENA_EACH(v) sum[p][r][v] = Vector{};
    for (long k = 0; k < in.depth; ++k) {
#pragma GCC unroll 4
        for (int p = 0; p < Wide; ++p) {
            const float* b = panels + p * in.apart + k * kPanel;
            Vector column[kVectors];
            CATENA_EACH(v) column[v] = load(b + v * kLanes);
#pragma GCC unroll 8
            for (int r = 0; r < Rows; ++r) {
                const float x = in.a[Packed ? k * kTile + r : r * in.stride + k];
                CATENA_EACH(v) sum[p][r][v] += x * column[v];
            }
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < Wide; ++p)
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) CATENA_EACH(v) add_to(&at[p][r][v * kLanes], sum[p][r][v]);
}

// How many panels fill the registers beside this many rows.
template <int Rows>
constexpr int kAbreast = kLanes >= 16 ? 4 : Rows == 1 ? 4 : Rows == 2 ? 2 : 1;

template <int Rows>
void strip(int panels, const Operands& in, Panels out) {
    constexpr int kTogether = kAbreast<Rows>;
    int p = 0;
    for (; p + kTogether <= panels; p += kTogether) {
        tile<Rows, kTogether>(in, in.panels + p * in.apart, out + p);
    }
    for (; p < panels; ++p) tile<Rows, 1>(in, in.panels + p * in.apart, out + p);
}

// `rows` rows of a times up to four panels, added to what `out` holds.
inline void multiply(int rows, int panels, const Operands& in, Panels out) {
    switch (rows) {
        case 1: return strip<1>(panels, in, out);
        case 2: return strip<2>(panels, in, out);
        case 3: return strip<3>(panels, in, out);
#if defined(__AVX2__) || defined(__AVX512F__)
        case 4: return strip<4>(panels, in, out);
        case 5: return strip<5>(panels, in, out);
        case 6: return strip<6>(panels, in, out);
#endif
        default: __builtin_unreachable();
    }
}

// Some rows of a step: every `stride`-th from `first` on.
struct Rows {
    long first, stride, count;
};

struct Tile {
    long row;
    int height;
};

// Tiles that are worked on together: a panel that one of them has read is near for the next.
constexpr int kGroup = 4;

struct Group {
    Tile tiles[kGroup];
    int count = 0;
};

// Cuts rows into tiles of nearly equal height, and calls each(group of tiles).
template <class Each>
void groups(const Rows& rows, const Each& each) {
    const long pieces = (rows.count + kTile - 1) / kTile;
    Group group;
    for (long i = 0, done = 0; i < pieces; ++i) {
        const long height = (rows.count - done + pieces - i - 1) / (pieces - i);
        group.tiles[group.count++] = {rows.first + done * rows.stride, static_cast<int>(height)};
        done += height;
        if (group.count < kGroup && i + 1 < pieces) continue;
        each(group);
        group.count = 0;
    }
}

// Each tile of the group, rows of `a` from the tile's first on, times up to four panels.
inline void multiply_slice(const Group& group, int panels, const Operands& in, Scratch* out) {
    const int together = group.count > 1 ? 1 : panels;
    for (int p = 0; p < panels; p += together) {
        for (int i = 0; i < group.count; ++i) {
            Operands own = in;
            own.a += group.tiles[i].row * in.pitch;
            own.panels += p * in.apart;
            multiply(group.tiles[i].height, together, own, out[i].at + p);
        }
    }
}

inline void multiply(const Group& group, int panels, const Operands& in, Scratch* out) {
    for (long k = 0; k < in.depth; k += kSlice) {
        Operands slice = in;
        slice.depth = in.depth - k < kSlice ? in.depth - k : kSlice;
        slice.a += k;
        slice.panels += k * kPanel;
        multiply_slice(group, panels, slice, out);
    }
}

// Packs w [columns, depth] (as a layer keeps it) for `a @ w.T`; `stride` is w's.
inline void pack_columns(const float* w, long stride, long columns, long depth, float* panel) {
    for (long k = 0; k < depth; ++k) {
        for (long c = 0; c < kPanel; ++c) panel[k * kPanel + c] = c < columns ? w[c * stride + k] : 0.0f;
    }
}

// Packs 16 columns of w [depth, ...] for `a @ w`.
inline void pack_rows(const float* w, long stride, long columns, long depth, float* panel) {
    for (long k = 0; k < depth; ++k) {
        store_full(panel + k * kPanel, load(w + k * stride, static_cast<int>(columns)));
    }
}

}  // namespace catena::CATENA_ARCH
