// The k best paths of one sequence.
//
// Forwards, v_t(j) is the score of the best path to j (Viterbi 1967). Every path is the best one with
// deviations: places where, seen from its end, it does not come from where v says is best. A deviation
// costs what v loses by it, never less than 0, so the next best path is the best one found so far with
// one more deviation before its others (Hoffman and Pavley 1959; Eppstein 1998). The work after the
// pass forwards is k * steps * labels.
#pragma once

#include <set>

#include "tables.hpp"

namespace catena::CATENA_ARCH {

struct Deviation {
    double cost;  // of the whole path
    long order;   // as they were found
    long parent;  // the path that it deviates from
    long step;
    long label;

    bool operator<(const Deviation& other) const {
        return cost != other.cost ? cost < other.cost : order < other.order;
    }
};

template <class Score>
class BestPass {
public:
    static long room(long longest, long pitch) { return (longest + 1) * pitch; }

    BestPass(const Best& call, const Tables& tables, double* room)
        : call_(call), t_(tables), pitch_(tables.pitch), k_(call.k), row_(room), best_(room + pitch_) {}

    void run(long i) {
        const long begin = t_.offsets[i];
        steps_ = t_.offsets[i + 1] - begin;
        scores_ = static_cast<const Score*>(call_.chain.scores) + begin * t_.labels;
        paths_ = call_.paths + begin * k_;
        double* to = call_.scores + i * k_;
        std::fill(to, to + k_, -kInfinity);
        std::fill(paths_, paths_ + steps_ * k_, -1);
        if (!steps_) to[0] = 0;
        else if (!forward()) std::fill(to, to + k_, std::numeric_limits<double>::quiet_NaN());
        else if (into(steps_)[first_of(steps_)] + best(steps_ - 1)[first_of(steps_)] > -kInfinity) follow(to);
    }

private:
    double* best(long t) const { return best_ + t * pitch_; }
    std::int64_t& label(long t, long rank) const { return paths_[t * k_ + rank]; }

    // v over the largest of each step; false where something is NaN or +inf.
    bool forward() {
        Longs wrong{};
        for (long t = 0; t < steps_; ++t) {
            double* to = best(t);
            const double* before = t_.start.logs.data();
            if (t) {
                multiply<MaxSum>(best(t - 1), t_.labels, t_.moves.logs.data(), pitch_, row_);
                before = row_;
            }
            read_row(scores_ + t * t_.labels, t_.labels, pitch_, to);
            Wide top = wide(-kInfinity);
            for (long j = 0; j < pitch_; j += kWide) {
                const Wide x = get(to + j), v = x + get(before + j);
                wrong |= ~(x < kInfinity);
                put(to + j, v);
                top = larger(v, top);
            }
            const double most = largest(top);
            if (most > -kInfinity) for (long j = 0; j < pitch_; j += kWide) put(to + j, get(to + j) - most);
        }
        return t_.valid && !any(wrong);
    }

    // The best path, then the cheapest deviations.
    void follow(double* to) {
        pending_.clear();
        order_ = 0;
        complete(0, steps_);
        to[0] = score(0);
        if (k_ > 1) deviate(0, steps_, 0);
        for (long rank = 1; rank < k_ && !pending_.empty(); ++rank) {
            const Deviation next = *pending_.begin();
            pending_.erase(pending_.begin());
            for (long t = next.step; t < steps_; ++t) label(t, rank) = label(t, next.parent);
            label(next.step, rank) = next.label;
            complete(rank, next.step);
            to[rank] = score(rank);
            if (rank + 1 < k_) deviate(rank, next.step, next.cost);
        }
    }

    // What it costs to go on from each label before step t to where the path is at t, or to end.
    const double* into(long t, long label = 0) const {
        return t < steps_ ? t_.turned.logs.data() + label * pitch_ : t_.end.logs.data();
    }

    long first_of(long t, long label = 0) const {
        const double *v = best(t - 1), *moves = into(t, label);
        long found = 0;
        for (long i = 1; i < t_.labels; ++i) {
            if (v[i] + moves[i] > v[found] + moves[found]) found = i;
        }
        return found;
    }

    long label_at(long t, long rank) const { return t < steps_ ? label(t, rank) : 0; }

    // The best way to the label at step t.
    void complete(long rank, long t) const {
        for (; t > 0; --t) label(t - 1, rank) = first_of(t, label_at(t, rank));
    }

    // Notes the paths that deviate from this one before step `before`, as many as may be wanted.
    void deviate(long rank, long before, double cost) {
        const std::size_t room = static_cast<std::size_t>(k_ - rank - 1);
        double limit = pending_.size() < room ? kInfinity : pending_.rbegin()->cost;
        for (long t = before; t > 0; --t) {
            const double *v = best(t - 1), *moves = into(t, label_at(t, rank));
            const long taken = label(t - 1, rank);
            const double most = v[taken] + moves[taken];
            for (long i = 0; i < t_.labels; ++i) {
                const double whole = cost + (most - (v[i] + moves[i]));
                if (!(whole < limit) || i == taken) continue;
                pending_.insert({whole, order_++, rank, t - 1, i});
                if (pending_.size() > room) pending_.erase(std::prev(pending_.end()));
                if (pending_.size() == room) limit = pending_.rbegin()->cost;
            }
        }
    }

    double score(long rank) const {
        LongSum total;
        total.add(t_.start.logs[label(0, rank)]);
        for (long t = 0; t < steps_; ++t) {
            if (t) total.add(t_.moves.logs[label(t - 1, rank) * pitch_ + label(t, rank)]);
            total.add(scores_[t * t_.labels + label(t, rank)]);
        }
        total.add(t_.end.logs[label(steps_ - 1, rank)]);
        return total.total();
    }

    const Best& call_;
    const Tables& t_;
    const long pitch_, k_;
    double *row_, *best_;
    long steps_ = 0, order_ = 0;
    const Score* scores_ = nullptr;
    std::int64_t* paths_ = nullptr;
    std::set<Deviation> pending_;
};

}  // namespace catena::CATENA_ARCH
