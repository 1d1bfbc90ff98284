// Forwards and backwards over one sequence: log Z, marginals and how often i is followed by j.
//
// As exponentials over each step's largest score, normalised at every step (Rabiner 1989, section
// V.A), where no number is so small that a product of three could underflow; otherwise as logarithms.
#pragma once

#include "tables.hpp"

namespace catena::CATENA_ARCH {

// What one block of sequences adds to the expected counts: [pitch, pitch], [pitch] and [pitch].
struct Counts {
    double *moves, *start, *end;

    static long size(long pitch) { return pitch * (pitch + 2); }
    Counts(double* at, long pitch)
        : moves(at), start(at ? at + pitch * pitch : nullptr), end(at ? start + pitch : nullptr) {}
};

template <class Score>
class SumPass {
public:
    // Room for one sequence at a time.
    static long room(long longest, long pitch) { return longest * (2 * pitch + 1) + 2 * pitch; }

    SumPass(const Expect& call, const Tables& tables, double* room)
        : call_(call), t_(tables), pitch_(tables.pitch), alpha_(room), power_(alpha_ + t_.longest * pitch_),
          beta_(power_ + t_.longest * pitch_), row_(beta_ + pitch_), scale_(row_ + pitch_) {}

    void run(long i, Counts counts) {
        const long begin = t_.offsets[i];
        steps_ = t_.offsets[i + 1] - begin;
        if (!steps_) {
            call_.log_z[i] = 0;
            return;
        }
        scores_ = static_cast<const Score*>(call_.chain.scores) + begin * t_.labels;
        const bool wanted = call_.transitions != nullptr;
        if (wanted) {
            out_ = static_cast<Score*>(call_.marginals) + begin * t_.labels;
            weight_ = call_.weight[i];
        }
        double& log_z = call_.log_z[i];
        if (t_.close && forward(log_z)) {
            if (wanted) backward(counts);
        } else if (!readable()) {
            log_z = std::numeric_limits<double>::quiet_NaN();
            if (wanted) fill(log_z, counts);
        } else {
            log_z = forward_in_logs();
            if (wanted && log_z == -kInfinity) fill(0, counts);
            else if (wanted) backward_in_logs(counts);
        }
    }

private:
    double* alpha(long t) const { return alpha_ + t * pitch_; }
    double* power(long t) const { return power_ + t * pitch_; }
    const Score* scores(long t) const { return scores_ + t * t_.labels; }

    // -- as exponentials ----------------------------------------------------------------------

    // False where numbers are too far apart, not numbers, or nothing is left.
    bool forward(double& log_z) {
        LongSum total;
        Longs lost{};
        for (long t = 0; t < steps_; ++t) {
            total.add(powers_of_scores(t, lost));
            const double* before = t_.start.powers.data();
            if (t) {
                multiply<SumProduct>(alpha(t - 1), t_.labels, t_.moves.powers.data(), pitch_, row_);
                before = row_;
            }
            const double mass = joint(before, power(t), alpha(t));
            if (!(mass > 0)) return false;
            scale_[t] = 1 / mass;
            scale(alpha(t), scale_[t], lost);
            total.add_log(mass);
        }
        if (any(lost)) return false;
        const double mass = joint(alpha(steps_ - 1), t_.end.powers.data(), beta_);
        if (!(mass > 0)) return false;
        total.add_log(mass);
        total.add(t_.start.shift);
        total.add(t_.end.shift);
        total.add(t_.moves.shift * static_cast<double>(steps_ - 1));
        log_z = total.total();
        for (long j = 0; j < pitch_; j += kWide) put(beta_ + j, get(t_.end.powers.data() + j) / mass);
        return true;
    }

    // exp(scores - largest) at step t; returns the largest.
    double powers_of_scores(long t, Longs& lost) {
        double* to = power(t);
        read_row(scores(t), t_.labels, pitch_, to);
        Wide top = get(to);
        for (long j = kWide; j < pitch_; j += kWide) top = larger(get(to + j), top);
        const double most = largest(top), least = most - kSpan;
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide x = get(to + j);
            const Longs near = (x >= least) & (x < kInfinity), forbidden = x == -kInfinity;
            lost |= ~(near | forbidden);
            put(to + j, exponential(x - most));
        }
        return most;
    }

    // to = a * b; returns its sum.
    double joint(const double* a, const double* b, double* to) const {
        Wide mass{};
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide x = get(a + j) * get(b + j);
            put(to + j, x);
            mass += x;
        }
        return sum(mass);
    }

    void scale(double* at, double factor, Longs& lost) const {
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide x = get(at + j) * factor;
            lost |= (x > 0.0) & (x < kFloor);
            put(at + j, x);
        }
    }

    void backward(Counts counts) {
        for (long t = steps_ - 1;; --t) {
            double *a = alpha(t), *p = power(t);
            // What cannot be reached does not count, and could grow without bound.
            for (long j = 0; j < pitch_; j += kWide) {
                const Wide x = get(a + j), b = x > 0.0 ? get(beta_ + j) : Wide{};
                put(row_ + j, x * b * weight_);
                put(p + j, get(p + j) * b * scale_[t]);
            }
            finish(t, counts);
            if (!t) break;
            multiply<SumProduct>(p, t_.labels, t_.turned.powers.data(), pitch_, beta_);
        }
        if (steps_ > 1) count_pairs(counts);
    }

    // The weighted marginals in row_ go where they belong.
    void finish(long t, Counts counts) {
        write_row(row_, t_.labels, out_ + t * t_.labels);
        if (t == 0) accumulate(counts.start, row_);
        if (t == steps_ - 1) accumulate(counts.end, row_);
    }

    void accumulate(double* to, const double* from) const {
        for (long j = 0; j < pitch_; j += kWide) put(to + j, get(to + j) + get(from + j));
    }

    // Σ_t alpha_{t-1}(i) power_t(j) times the weights: a long sum rounds less in parts.
    void count_pairs(Counts counts) const {
        constexpr long kPart = 256;
        for (long t = 1; t < steps_; t += kPart) {
            const long to = std::min(t + kPart, steps_);
            for (long i = 0; i < t_.labels; i += kHigh) {
                long j = 0;
                for (; j + 3 * kWide <= pitch_; j += 3 * kWide) tile<3>(t, to, i, j, counts.moves);
                if (j + 2 * kWide == pitch_) tile<2>(t, to, i, j, counts.moves);
                else if (j + kWide == pitch_) tile<1>(t, to, i, j, counts.moves);
            }
        }
    }

    // As much of it as stays in registers.
    template <int Broad>
    CATENA_INLINE void tile(long from, long to, long i, long j, double* moves) const {
        Wide sums[kHigh][Broad] = {};
        for (long t = from; t < to; ++t) {
            const double *a = alpha(t - 1) + i, *p = power(t) + j;
            for (int r = 0; r < kHigh; ++r) {
                for (int v = 0; v < Broad; ++v) sums[r][v] += a[r] * get(p + v * kWide);
            }
        }
        for (int r = 0; r < kHigh; ++r) {
            for (int v = 0; v < Broad; ++v) {
                const long at = (i + r) * pitch_ + j + v * kWide;
                put(moves + at, get(moves + at) + weight_ * get(t_.moves.powers.data() + at) * sums[r][v]);
            }
        }
    }

    // -- as logarithms ------------------------------------------------------------------------

    // Whether all that goes into this sequence is a number or -inf.
    bool readable() const {
        bool fine = t_.valid;
        for (long k = 0; k < steps_ * t_.labels; ++k) fine = fine && scores_[k] < std::numeric_limits<Score>::infinity();
        return fine;
    }

    void fill(double value, Counts counts) const {
        std::fill(out_, out_ + steps_ * t_.labels, static_cast<Score>(value));
        for (long k = 0; k < Counts::size(pitch_); ++k) counts.moves[k] += value;
    }

    double forward_in_logs() {
        LongSum total;
        for (long t = 0; t < steps_; ++t) {
            double* to = alpha(t);
            const double* before = t_.start.logs.data();
            if (t) {
                multiply_logs(alpha(t - 1), t_.moves, row_);
                before = row_;
            }
            read_row(scores(t), t_.labels, pitch_, to);
            for (long j = 0; j < pitch_; j += kWide) put(to + j, get(to + j) + get(before + j));
            scale_[t] = normalise(to);
            if (scale_[t] == -kInfinity) return -kInfinity;
            total.add(scale_[t]);
        }
        std::copy(t_.end.logs.begin(), t_.end.logs.begin() + pitch_, beta_);
        const double last = log_sum(alpha(steps_ - 1), beta_);
        if (last == -kInfinity) return last;
        total.add(last);
        return total.total();
    }

    void backward_in_logs(Counts counts) {
        for (long t = steps_ - 1;; --t) {
            double *a = alpha(t), *p = power(t);
            const double z = log_sum(a, beta_);
            read_row(scores(t), t_.labels, pitch_, p);
            for (long j = 0; j < pitch_; j += kWide) {
                const Wide b = get(a + j) > -kInfinity ? get(beta_ + j) : wide(-kInfinity);
                put(row_ + j, exponential(get(a + j) + b - z) * weight_);
                put(p + j, get(p + j) + b);
            }
            finish(t, counts);
            if (!t) break;
            count_pairs_in_logs(alpha(t - 1), p, z + scale_[t], counts.moves);
            multiply_logs(p, t_.turned, beta_);
            normalise(beta_);
        }
    }

    void count_pairs_in_logs(const double* a, const double* p, double z, double* moves) const {
        for (long i = 0; i < t_.labels; ++i) {
            for (long j = 0; j < pitch_; j += kWide) {
                const long at = i * pitch_ + j;
                const Wide share = exponential(a[i] + get(t_.moves.logs.data() + at) + get(p + j) - z);
                put(moves + at, get(moves + at) + weight_ * share);
            }
        }
    }

    // to(j) = log Σ_i exp(a(i) + matrix(i, j))
    void multiply_logs(const double* a, const Weights& matrix, double* to) {
        const double* logs = matrix.logs.data();
        multiply<MaxSum>(a, t_.labels, logs, pitch_, to);
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide most = get(to + j), base = most > -kInfinity ? most : Wide{};
            Wide mass{};
            for (long i = 0; i < t_.labels; ++i) mass += exponential(a[i] + get(logs + i * pitch_ + j) - base);
            for (int lane = 0; lane < kWide; ++lane) to[j + lane] = base[lane] + std::log(mass[lane]);
        }
    }

    // Takes the largest from all and returns it.
    double normalise(double* at) const {
        const double most = *std::max_element(at, at + t_.labels);
        if (most > -kInfinity) for (long j = 0; j < pitch_; j += kWide) put(at + j, get(at + j) - most);
        return most;
    }

    // log Σ_j exp(a(j) + b(j))
    double log_sum(const double* a, const double* b) const {
        double most = -kInfinity, mass = 0;
        for (long j = 0; j < t_.labels; ++j) most = std::max(most, a[j] + b[j]);
        if (most == -kInfinity) return most;
        for (long j = 0; j < t_.labels; ++j) mass += std::exp(a[j] + b[j] - most);
        return most + std::log(mass);
    }

    const Expect& call_;
    const Tables& t_;
    const long pitch_;
    double *alpha_, *power_, *beta_, *row_, *scale_;
    long steps_ = 0;
    const Score* scores_ = nullptr;
    Score* out_ = nullptr;
    double weight_ = 0;
};

}  // namespace catena::CATENA_ARCH
