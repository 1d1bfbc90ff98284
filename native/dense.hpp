// The products that need no time: the inputs' share of the gates, and the gradients of inputs and
// weights. Blocked for the caches; threads share columns or rows of the result, never a sum.
#pragma once

#include "call.hpp"
#include "product.hpp"
#include "threads.hpp"

namespace catena::CATENA_ARCH {

// Rows that are taken together, so that they stay in the second cache while the panels go by.
constexpr long kRowsAtOnce = 96;

inline int width_of(const Dense& d, long panel) {
    return static_cast<int>(least(d.columns - panel * kPanel, kPanel));
}

inline void dense_tiles(const Dense& d, const Group& group, long panel, int panels, long k) {
    const long slice = least(d.depth - k, kSlice), apart = d.depth * kPanel;
    Scratch sums[kGroup];
    for (int i = 0; i < group.count; ++i) {
        for (int p = 0; p < panels; ++p) {
            const long c = (panel + p) * kPanel;
            for (int r = 0; r < group.tiles[i].height; ++r) {
                const float* from = k ? d.to + (group.tiles[i].row + r) * d.pitch : d.start;
                store_full(sums[i].at[p][r], from ? load(from + c, width_of(d, panel + p)) : zeros());
            }
        }
    }
    multiply(group, panels, {slice, d.a + k, d.stride, d.stride, d.packed + panel * apart + k * kPanel, apart}, sums);
    for (int i = 0; i < group.count; ++i) {
        for (int p = 0; p < panels; ++p) {
            for (int r = 0; r < group.tiles[i].height; ++r) {
                float* to = d.to + (group.tiles[i].row + r) * d.pitch + (panel + p) * kPanel;
                store(to, width_of(d, panel + p), load_full(sums[i].at[p][r]));
            }
        }
    }
}

inline void dense_part(const Dense& d, long first_row, long last_row, long first_panel, long last_panel) {
    for (long top = first_row; top < last_row; top += kRowsAtOnce) {
        const Rows rows{top, 1, least(kRowsAtOnce, last_row - top)};
        for (long k = 0; k < (d.depth ? d.depth : 1); k += kSlice) {
            for (long panel = first_panel; panel < last_panel; panel += kStrip) {
                const int panels = static_cast<int>(least(kStrip, last_panel - panel));
                groups(rows, [&](const Group& group) { dense_tiles(d, group, panel, panels, k); });
            }
        }
    }
}

// Threads share the rows where there are plenty, else the columns.
inline void dense(const Dense& d, const Member& m) {
    const long panels = (d.columns + kPanel - 1) / kPanel;
    if (d.rows >= 4 * kTile * m.count) {
        dense_part(d, d.rows * m.index / m.count, d.rows * (m.index + 1) / m.count, 0, panels);
    } else {
        dense_part(d, 0, d.rows, panels * m.index / m.count, panels * (m.index + 1) / m.count);
    }
}

// A block of columns of d and x, a slice of rows deep, packed: [tile][k][kTile], [panel][k][16].
constexpr long kColumnsOfD = 96, kColumnsOfX = 512;
static_assert(kColumnsOfD % kTile == 0 && (kColumnsOfD + kColumnsOfX) * kSlice == kRoomOfOuter);

inline void pack_d(const Outer& o, long m, long columns, long k, long depth, float* to) {
    for (long c = 0; c < columns; c += kTile) {
        const long height = least(kTile, columns - c);
        for (long i = 0; i < depth; ++i) {
            const float* from = o.d + (k + i) * o.pitch + m + c;
            for (long r = 0; r < kTile; ++r) to[i * kTile + r] = r < height ? from[r] : 0.0f;
        }
        to += depth * kTile;
    }
}

inline void pack_x(const Outer& o, long n, long columns, long k, long depth, float* to) {
    for (long c = 0; c < columns; c += kPanel) {
        const int width = static_cast<int>(least(kPanel, columns - c));
        for (long i = 0; i < depth; ++i) {
            Row row = load(o.x[k + i] + n + c, width);
            if (o.factors) row = row * load(o.factors[k + i] + n + c, width);
            store_full(to + i * kPanel, row);
        }
        to += depth * kPanel;
    }
}

inline void outer_tile(const Outer& o, const float* d, const float* x, long depth, long m, long n, bool first) {
    float* to = o.to + m * o.n + n;
    const int height = static_cast<int>(least(kTile, o.m - m)), width = static_cast<int>(least(kPanel, o.n - n));
    Scratch sums;
    for (int r = 0; r < kTile; ++r) {
        store_full(sums.at[0][r], first || r >= height ? zeros() : load(to + r * o.n, width));
    }
    tile<kTile, 1, true>({depth, d, 0, 0, x, 0}, x, sums.at);
    for (int r = 0; r < height; ++r) store(to + r * o.n, width, load_full(sums.at[0][r]));
}

// Threads share d's columns; each number is summed over the rows in their order.
inline void outer(const Outer& o, const Member& member) {
    float* packed_d = o.room + member.index * kRoomOfOuter;
    float* packed_x = packed_d + kColumnsOfD * kSlice;
    const long all = (o.m + kTile - 1) / kTile;
    const long first = all * member.index / member.count * kTile;
    const long last = least(all * (member.index + 1) / member.count * kTile, o.m);
    for (long n = 0; n < o.n; n += kColumnsOfX) {
        const long wide = least(kColumnsOfX, o.n - n);
        for (long k = 0; k < (o.rows ? o.rows : 1); k += kSlice) {
            const long depth = least(kSlice, o.rows - k);
            pack_x(o, n, wide, k, depth, packed_x);
            for (long m = first; m < last; m += kColumnsOfD) {
                const long high = least(kColumnsOfD, last - m);
                pack_d(o, m, high, k, depth, packed_d);
                for (long c = 0; c < wide; c += kPanel) {
                    for (long r = 0; r < high; r += kTile) {
                        outer_tile(o, packed_d + r * depth, packed_x + c * depth, depth, m + r, n + c, k == 0);
                    }
                }
            }
        }
    }
}

}  // namespace catena::CATENA_ARCH
