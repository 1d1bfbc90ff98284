// What all sequences of a call share: the weights, padded, turned over and as exponentials.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../chain.hpp"
#include "../room.hpp"
#include "../wide.hpp"

namespace catena::CATENA_ARCH {

// Numbers that do not lie further apart than this many nats, or are 0, multiply in threes without
// underflow: what comes out as 0 is 0.
constexpr double kSpan = 230;
constexpr double kFloor = 1e-100;

// How many labels a register tile of the sums over time is high.
constexpr long kHigh = 4;

// How far apart rows lie: a multiple of a vector and of a tile.
constexpr long pitch_of(long labels) {
    constexpr long step = kWide > kHigh ? kWide : kHigh;
    return (labels + step - 1) / step * step;
}

// A sum of many numbers with what rounding took from it (Neumaier 1974).
class LongSum {
public:
    void add(double x) {
        const double next = sum_ + x;
        lost_ += std::abs(sum_) >= std::abs(x) ? (sum_ - next) + x : (x - next) + sum_;
        sum_ = next;
    }

    // The logarithm of x, of which several are taken together.
    void add_log(double x) {
        product_ *= x;
        if (product_ > 1e-100 && product_ < 1e100) return;
        add(std::log(product_));
        product_ = 1;
    }

    double total() const { return sum_ + (lost_ + std::log(product_)); }

private:
    double sum_ = 0, lost_ = 0, product_ = 1;
};

// Log-potentials and their exponentials over the largest, in rows of `pitch`.
struct Weights {
    long pitch;
    double shift = 0;     // the largest
    bool close = true;    // whether all that are not -inf are within kSpan of it
    bool valid = true;    // neither NaN nor +inf
    std::vector<double> logs, powers;

    Weights(const double* from, long rows, long columns, bool turned)
        : pitch(pitch_of(columns)), logs(pitch_of(rows) * pitch, -kInfinity), powers(logs.size(), 0) {
        double most = -kInfinity, least = kInfinity;
        for (long i = 0; i < rows * columns; ++i) {
            valid = valid && from[i] < kInfinity;
            if (from[i] == -kInfinity) continue;
            most = std::max(most, from[i]);
            least = std::min(least, from[i]);
        }
        if (most > -kInfinity) shift = most;
        close = least >= shift - kSpan;
        for (long i = 0; i < rows; ++i) {
            for (long j = 0; j < columns; ++j) {
                const double x = turned ? from[j * rows + i] : from[i * columns + j];
                logs[i * pitch + j] = x;
                powers[i * pitch + j] = std::exp(x - shift);
            }
        }
    }
};

struct Tables {
    long labels, pitch, vectors;
    Weights moves, turned, start, end;
    bool close, valid;
    std::vector<long> offsets;  // [n + 1]
    long longest = 0;

    explicit Tables(const Chain& chain)
        : labels(chain.labels), pitch(pitch_of(labels)), vectors(pitch / kWide),
          moves(chain.transitions, labels, labels, false), turned(chain.transitions, labels, labels, true),
          start(chain.start, 1, labels, false), end(chain.end, 1, labels, false),
          close(moves.close && start.close && end.close), valid(moves.valid && start.valid && end.valid),
          offsets(chain.n + 1, 0) {
        for (long i = 0; i < chain.n; ++i) {
            offsets[i + 1] = offsets[i] + chain.lengths[i];
            longest = std::max(longest, static_cast<long>(chain.lengths[i]));
        }
    }
};

// A row of scores to a padded row; what pads it is -inf.
template <class Score>
CATENA_INLINE void read_row(const Score* from, long labels, long pitch, double* to) {
    long j = 0;
    for (; j + kWide <= labels; j += kWide) put(to + j, get(from + j));
    for (; j < pitch; j += kWide) put(to + j, get(from + j, std::max(labels - j, 0L)));
}

template <class Score>
CATENA_INLINE void write_row(const double* from, long labels, Score* to) {
    long j = 0;
    for (; j + kWide <= labels; j += kWide) put(to + j, get(from + j));
    for (; j < labels; ++j) to[j] = static_cast<Score>(from[j]);
}

// -- products of a vector and a matrix ------------------------------------------------------------

struct SumProduct {
    static CATENA_INLINE Wide zero() { return Wide{}; }
    static CATENA_INLINE Wide add(Wide sum, double a, Wide row) { return sum + a * row; }
    static CATENA_INLINE Wide join(Wide a, Wide b) { return a + b; }
};

struct MaxSum {
    static CATENA_INLINE Wide zero() { return wide(-kInfinity); }
    static CATENA_INLINE Wide add(Wide most, double a, Wide row) { return larger(most, a + row); }
    static CATENA_INLINE Wide join(Wide a, Wide b) { return larger(a, b); }
};

// N vectors of each of K products with one matrix, which is read once for all. Few of them are worked on as
// two halves of the rows: a sum of its own hides how long the other takes.
template <class Ring, int N, int K>
CATENA_INLINE void strip(const double* const (&a)[K], long rows, const double* matrix, long pitch, double* const (&to)[K],
                         long at) {
    constexpr int kHalves = N <= 3 ? 2 : 1;
    Wide sums[kHalves][K][N];
    for (auto& half : sums) for (auto& one : half) for (Wide& sum : one) sum = Ring::zero();
    long i = 0;
    for (; i + kHalves <= rows; i += kHalves) {
        for (int h = 0; h < kHalves; ++h) {
            for (int v = 0; v < N; ++v) {
                const Wide row = get(matrix + (i + h) * pitch + at + v * kWide);
                for (int k = 0; k < K; ++k) sums[h][k][v] = Ring::add(sums[h][k][v], a[k][i + h], row);
            }
        }
    }
    for (; i < rows; ++i) {
        for (int v = 0; v < N; ++v) {
            const Wide row = get(matrix + i * pitch + at + v * kWide);
            for (int k = 0; k < K; ++k) sums[0][k][v] = Ring::add(sums[0][k][v], a[k][i], row);
        }
    }
    for (int k = 0; k < K; ++k) {
        for (int v = 0; v < N; ++v) {
            const Wide sum = kHalves == 2 ? Ring::join(sums[0][k][v], sums[kHalves - 1][k][v]) : sums[0][k][v];
            put(to[k] + at + v * kWide, sum);
        }
    }
}

// to(j) = the sum over i of a(i) times matrix(i, j), as the ring adds and multiplies; for K vectors a at
// once, each with the sums that it has alone.
template <class Ring, int K>
void multiply(const double* const (&a)[K], long rows, const double* matrix, long pitch, double* const (&to)[K]) {
    constexpr long kStrip = 6;
    long at = 0;
    for (; at + kStrip * kWide <= pitch; at += kStrip * kWide) strip<Ring, kStrip>(a, rows, matrix, pitch, to, at);
    switch ((pitch - at) / kWide) {
        case 1: return strip<Ring, 1>(a, rows, matrix, pitch, to, at);
        case 2: return strip<Ring, 2>(a, rows, matrix, pitch, to, at);
        case 3: return strip<Ring, 3>(a, rows, matrix, pitch, to, at);
        case 4: return strip<Ring, 4>(a, rows, matrix, pitch, to, at);
        case 5: return strip<Ring, 5>(a, rows, matrix, pitch, to, at);
    }
}

template <class Ring>
void multiply(const double* a, long rows, const double* matrix, long pitch, double* to) {
    multiply<Ring, 1>({a}, rows, matrix, pitch, {to});
}

}  // namespace catena::CATENA_ARCH
