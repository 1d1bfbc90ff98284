// What is believed of each state before every step, once the steps before it were observed.
//
//   f_t ∝ b_t ∘ l_t,   b_{t+1} = f_t A        an observation that no state allows leaves f_t = b_t
#pragma once

#include "tables.hpp"

namespace catena::CATENA_ARCH {

// One row after the other; the steps of a row lie where the layout has them.
class FilterPass {
public:
    static long room(long labels) { return 2 * pitch_of(labels); }

    FilterPass(const Filter& call, const double* moves, double* room)
        : call_(call), moves_(moves), pitch_(pitch_of(call.labels)), belief_(room), filtered_(room + pitch_) {}

    void run(long row) {
        const long k = call_.labels;
        std::fill(belief_, belief_ + pitch_, 0.0);
        std::copy_n(call_.before + row * k, k, belief_);
        for (long t = 0; t < call_.lengths[row]; ++t) {
            const long at = (call_.firsts[t] + row) * k;
            observe(call_.log_likelihood + at);
            multiply<SumProduct>(filtered_, k, moves_, pitch_, belief_);
            write_row(belief_, k, call_.beliefs + at);
        }
        std::copy_n(belief_, k, call_.after + row * k);
    }

private:
    // Weights of this sum or more, beside a largest likelihood of 1, have lost nothing to underflow.
    static constexpr double kSafe = 1e-200;

    void observe(const double* x) {
        read_row(x, call_.labels, pitch_, filtered_);
        const double most = *std::max_element(x, x + call_.labels);
        if (most == -kInfinity) return pass_over();
        Wide total{};
        for (long j = 0; j < pitch_; j += kWide) {
            const Wide joint = get(belief_ + j) * exponential(get(filtered_ + j) - most);
            put(filtered_ + j, joint);
            total += joint;
        }
        const double mass = sum(total);
        if (!(mass > kSafe && mass < kInfinity)) return observe_in_logs(x);
        divide(mass);
    }

    void observe_in_logs(const double* x) {
        double most = -kInfinity, mass = 0;
        for (long j = 0; j < call_.labels; ++j) {
            filtered_[j] = std::log(belief_[j]) + x[j];
            most = std::max(most, filtered_[j]);
        }
        for (long j = 0; j < call_.labels; ++j) mass += filtered_[j] = std::exp(filtered_[j] - most);
        if (most == -kInfinity || std::isnan(mass)) return pass_over();
        divide(mass);
    }

    void divide(double mass) {
        for (long j = 0; j < pitch_; j += kWide) put(filtered_ + j, get(filtered_ + j) / mass);
    }

    void pass_over() { std::copy_n(belief_, pitch_, filtered_); }

    const Filter& call_;
    const double* moves_;
    const long pitch_;
    double *belief_, *filtered_;
};

}  // namespace catena::CATENA_ARCH
