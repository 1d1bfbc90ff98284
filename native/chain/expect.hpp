// Forwards and backwards over a sequence: log Z, marginals and how often i is followed by j.
//
// As exponentials over each step's largest score, normalised at every step (Rabiner 1989, section
// V.A), where no number is so small that a product of three could underflow; otherwise as logarithms.
// Exponentials are worked on two sequences at a time.
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

    // Two sequences, which do not depend on each other: one hides how long the other takes, and the
    // weights are read once for both. Each gets what it gets in any other company.
    static void run(SumPass& a, long i, SumPass& b, long j, Counts counts) {
        a.open(i);
        b.open(j);
        if (a.steps_ > b.steps_) forward(b, a);
        else forward(a, b);
        const bool wanted = a.call_.transitions != nullptr;
        if (wanted && a.steps_ > b.steps_) backward(b, a, counts);
        else if (wanted) backward(a, b, counts);
        a.close(counts);
        b.close(counts);
    }

    // One sequence, beside an empty one.
    static void run(SumPass& a, long i, SumPass& b, Counts counts) {
        b.open_nothing();
        a.open(i);
        forward(b, a);
        if (a.call_.transitions) backward(b, a, counts);
        a.close(counts);
    }

private:
    double* alpha(long t) const { return alpha_ + t * pitch_; }
    double* power(long t) const { return power_ + t * pitch_; }
    const Score* scores(long t) const { return scores_ + t * t_.labels; }

    void open(long i) {
        const long begin = t_.offsets[i];
        steps_ = t_.offsets[i + 1] - begin;
        log_z_ = call_.log_z + i;
        scores_ = static_cast<const Score*>(call_.chain.scores) + begin * t_.labels;
        fine_ = t_.close;
        if (!call_.transitions) return;
        out_ = static_cast<Score*>(call_.marginals) + begin * t_.labels;
        weight_ = call_.weight[i];
    }

    void open_nothing() {
        steps_ = 0;
        fine_ = true;
    }

    // What could not be done as exponentials is done as logarithms.
    void close(Counts counts) {
        if (!steps_) {
            *log_z_ = 0;
            return;
        }
        if (fine_) return;
        const bool wanted = call_.transitions != nullptr;
        if (!readable()) {
            *log_z_ = std::numeric_limits<double>::quiet_NaN();
            if (wanted) fill(*log_z_, counts);
            return;
        }
        *log_z_ = forward_in_logs();
        if (wanted && *log_z_ == -kInfinity) fill(0, counts);
        else if (wanted) backward_in_logs(counts);
    }

    // -- as exponentials ----------------------------------------------------------------------

    static void forward(SumPass& shorter, SumPass& longer) {
        const Tables& tables = longer.t_;
        const double* moves = tables.moves.powers.data();
        const long pitch = tables.pitch;
        shorter.begin();
        longer.begin();
        if (!longer.fine_) return shorter.forward_alone(0);
        if (!shorter.fine_) return longer.forward_alone(0);
        long t = 0;
        for (; t < shorter.steps_; ++t) {
            if (t) {
                multiply<SumProduct, 2>({shorter.alpha(t - 1), longer.alpha(t - 1)}, tables.labels, moves, pitch,
                                        {shorter.row_, longer.row_});
            }
            shorter.enter(t);
            longer.enter(t);
        }
        shorter.end();
        longer.forward_alone(t);
    }

    void forward_alone(long from) {
        if (!fine_) return;
        for (long t = from; t < steps_; ++t) {
            if (t) multiply<SumProduct>(alpha(t - 1), t_.labels, t_.moves.powers.data(), pitch_, row_);
            enter(t);
        }
        end();
    }

    // Sets out to work with exponentials; numbers that are too far apart, or none, forbid it.
    void begin() {
        if (!fine_ || !steps_) return;
        LongSum total;
        Longs lost{};
        for (long t = 0; t < steps_; ++t) total.add(powers_of_scores(t, lost));
        total_ = total;
        fine_ = !any(lost);
        std::copy_n(t_.start.powers.data(), pitch_, row_);
    }

    // From what row_ holds before step t to the message after it.
    void enter(long t) {
        const double mass = joint(row_, power(t), alpha(t));
        scale_[t] = 1 / mass;
        fine_ = scale(alpha(t), scale_[t]) && fine_ && mass > 0;
        total_.add_log(mass);
    }

    void end() {
        if (!steps_) return;
        const double mass = joint(alpha(steps_ - 1), t_.end.powers.data(), beta_);
        fine_ = fine_ && mass > 0;
        if (!fine_) return;
        total_.add_log(mass);
        total_.add(t_.start.shift);
        total_.add(t_.end.shift);
        total_.add(t_.moves.shift * static_cast<double>(steps_ - 1));
        *log_z_ = total_.total();
        for (long j = 0; j < pitch_; j += kWide) put(beta_ + j, get(t_.end.powers.data() + j) / mass);
    }

    // exp(scores - largest) at step t; returns the largest.
    double powers_of_scores(long t, Longs& lost) {
        double* to = power(t);
        read_row(scores(t), t_.labels, pitch_, to);
        Wide top = get(to);
        for (long j = kWide; j < pitch_; j += kWide) top = larger(get(to + j), top);
        const double most = largest(top);
        for (long j = 0; j < pitch_; j += kWide) {
            // Where there are NaN or +inf, or -inf alone, x is NaN, and so is the mass of this step.
            const Wide x = get(to + j) - most;
            lost |= (x < -kSpan) & (x > -kInfinity);
            put(to + j, exponential(x));
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

    // False where a number has become too small.
    bool scale(double* at, double factor) const {
        Longs lost{};
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide x = get(at + j) * factor;
            lost |= (x > 0.0) & (x < kFloor);
            put(at + j, x);
        }
        return !any(lost);
    }

    static void backward(SumPass& shorter, SumPass& longer, Counts counts) {
        const Tables& tables = longer.t_;
        const double* turned = tables.turned.powers.data();
        long back = 1;  // steps from the end
        if (shorter.fine_ && longer.fine_) {
            for (; back <= shorter.steps_; ++back) {
                const long s = shorter.steps_ - back, t = longer.steps_ - back;
                if (back > 1) {
                    multiply<SumProduct, 2>({shorter.power(s + 1), longer.power(t + 1)}, tables.labels, turned,
                                            tables.pitch, {shorter.beta_, longer.beta_});
                }
                shorter.leave(s, counts);
                longer.leave(t, counts);
            }
        } else if (shorter.fine_) {
            shorter.backward_alone(1, counts);
        }
        if (longer.fine_) longer.backward_alone(back, counts);
        if (shorter.fine_) shorter.count_pairs(counts);
        if (longer.fine_) longer.count_pairs(counts);
    }

    void backward_alone(long from, Counts counts) {
        for (long back = from; back <= steps_; ++back) {
            const long t = steps_ - back;
            if (back > 1) multiply<SumProduct>(power(t + 1), t_.labels, t_.turned.powers.data(), pitch_, beta_);
            leave(t, counts);
        }
    }

    // The marginals of step t, and what the message before it is made of.
    void leave(long t, Counts counts) {
        double *a = alpha(t), *p = power(t);
        // What cannot be reached does not count, and could grow without bound.
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide x = get(a + j), b = x > 0.0 ? get(beta_ + j) : Wide{};
            put(row_ + j, x * b * weight_);
            put(p + j, get(p + j) * b * scale_[t]);
        }
        finish(t, counts);
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
    bool fine_ = false;  // whether exponentials will do
    const Score* scores_ = nullptr;
    Score* out_ = nullptr;
    double* log_z_ = nullptr;
    double weight_ = 0;
    LongSum total_;
};

}  // namespace catena::CATENA_ARCH
