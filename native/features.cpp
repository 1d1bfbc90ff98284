// Sparse attributes times weights, and back; compiled once for each instruction set.
//
// A step touches some tens of weights that lie anywhere in megabytes, so waiting for memory is most of
// the work: what the attributes to come will need is asked for ahead. Rows are added up in registers.
#include "features.hpp"

#include <algorithm>
#include <vector>

#include "room.hpp"
#include "threads.hpp"
#include "wide.hpp"

namespace catena::CATENA_ARCH {
namespace {

constexpr int kMostVectors = 8;  // of a row that is added up in registers

// The places of attributes from `from` to `until` - 1 will be read.
CATENA_INLINE void ask_places(const Features& f, long from, long until) {
    for (long j = from; j < until; ++j) __builtin_prefetch(&f.places[f.ids[j]]);
}

// Their weights will. A single weight is asked for as if it were a row: to tell them apart costs more.
CATENA_INLINE void ask_weights(const Features& f, long from, long until, const double* weights, const double* rows) {
    constexpr long kLine = 8, kLines = 3;
    for (long j = from; j < until; ++j) {
        const Place place = f.places[f.ids[j]];
        const double* at = place.count < 0 ? rows + place.begin * f.pitch : weights + place.begin;
        for (long l = 0; l < kLines; ++l) __builtin_prefetch(at + l * kLine);
        __builtin_prefetch(f.labels + place.begin);
    }
}

// A row of numbers: N vectors in registers; in memory where there are more than fit.
template <int N>
class Line {
public:
    explicit Line(long) {}
    void clear() { for (Wide& v : at_) v = Wide{}; }
    void read(const double* from) { for (int i = 0; i < N; ++i) at_[i] = get(from + i * kWide); }
    void write(double* to) const { for (int i = 0; i < N; ++i) put(to + i * kWide, at_[i]); }
    CATENA_INLINE void add(double value, const double* row) {
        for (int i = 0; i < N; ++i) at_[i] += value * get(row + i * kWide);
    }
    CATENA_INLINE void add_to(double value, double* row) const {
        for (int i = 0; i < N; ++i) put(row + i * kWide, get(row + i * kWide) + value * at_[i]);
    }

private:
    Wide at_[N];
};

template <>
class Line<0> {
public:
    explicit Line(long pitch) : at_(pitch) {}
    void clear() { std::fill(at_.begin(), at_.end(), 0); }
    void read(const double* from) { std::copy_n(from, at_.size(), at_.begin()); }
    void write(double* to) const { std::copy(at_.begin(), at_.end(), to); }
    void add(double value, const double* row) {
        for (std::size_t i = 0; i < at_.size(); i += kWide) put(&at_[i], get(&at_[i]) + value * get(row + i));
    }
    void add_to(double value, double* row) const {
        for (std::size_t i = 0; i < at_.size(); i += kWide) put(row + i, get(row + i) + value * get(&at_[i]));
    }

private:
    std::vector<double> at_;
};

template <int N, bool Weighted>
void score_steps(const FeatureScores& call, long first, long last) {
    const Features& f = call.features;
    const std::int64_t* steps = call.steps;
    std::vector<double> single(f.pitch), row(f.pitch);  // sums of single weights, and of rows
    Line<N> line(f.pitch);
    for (long t = first; t < last; ++t) {
        if (t + 2 < last) ask_places(f, steps[t + 2], steps[t + 3]);
        if (t + 1 < last) ask_weights(f, steps[t + 1], steps[t + 2], call.weights, call.rows);
        line.clear();
        std::fill(single.begin(), single.end(), 0);
        for (long j = steps[t]; j < steps[t + 1]; ++j) {
            const Place place = f.places[f.ids[j]];
            const double value = Weighted ? f.values[j] : 1.0;
            if (place.count < 0) {
                line.add(value, call.rows + place.begin * f.pitch);
                continue;
            }
            for (long k = place.begin; k < place.begin + place.count; ++k) {
                single[f.labels[k]] += value * call.weights[k];
            }
        }
        line.write(row.data());
        double* to = call.to + t * f.width;
        for (long l = 0; l < f.width; ++l) to[l] = row[l] + single[l];
    }
}

// Where the runs and the others of one block lie, as far as a thread has a part in them.
struct Own {
    const Run *begin, *run, *last;  // run is the first that is worked on
    const Few *few, *end;
    std::int64_t base;  // of the block's steps

    Own(const FeatureColumns& c, long block)
        : begin(c.runs + c.run_cuts[block]), run(begin), last(c.runs + c.run_cuts[block + 1]),
          few(c.few + c.few_cuts[block]), end(c.few + c.few_cuts[block + 1]), base(c.step_cuts[block]) {}

    void narrow(Share from, Share until) {
        const auto lower = [](const Run& run, std::int32_t row) { return run.row < row; };
        const auto before = [](const Few& few, std::int32_t weight) { return few.begin < weight; };
        run = std::lower_bound(begin, last, from.row, lower);
        last = std::lower_bound(run, last, until.row, lower);
        few = std::lower_bound(few, end, from.weight, before);
        end = std::lower_bound(few, end, until.weight, before);
    }

    std::int64_t first_step() const { return run == begin ? base : base + run[-1].until; }
};

// A row that will be worked on soon is asked for.
CATENA_INLINE void ask_row(const Own& own, const Run* run, const double* rows, long pitch) {
    constexpr long kAhead = 16;
    if (own.last - run <= kAhead) return;
    const double* later = rows + run[kAhead].row * pitch;
    for (long l = 0; l < 3; ++l) __builtin_prefetch(later + l * 8);
}

template <int N, bool Weighted>
void score_runs(const ColumnScores& call, const Own& own, double* sums, Line<N>& line) {
    const FeatureColumns& c = call.columns;
    std::int64_t s = own.first_step();
    for (const Run* run = own.run; run < own.last; ++run) {
        ask_row(own, run, call.rows, c.pitch);
        line.read(call.rows + run->row * c.pitch);
        for (; s < own.base + run->until; ++s) line.add_to(Weighted ? c.values[s] : 1.0, sums + c.steps[s] * c.pitch);
    }
}

template <bool Weighted>
void score_few(const ColumnScores& call, const Own& own, double* sums) {
    const FeatureColumns& c = call.columns;
    for (const Few* few = own.few; few < own.end; ++few) {
        const double value = Weighted ? c.few_values[few - c.few] : 1.0;
        double* row = sums + few->step * c.pitch;
        for (long k = few->begin; k < few->begin + few->count; ++k) row[c.labels[k]] += value * call.weights[k];
    }
}

template <int N, bool Weighted>
void score_blocks(const ColumnScores& call, const Member& member) {
    const FeatureColumns& c = call.columns;
    const Room sums(kBlock * c.pitch);
    Line<N> line(c.pitch);
    for (long block = member.index; block * kBlock < c.total; block += member.count) {
        const long first = block * kBlock, last = std::min(first + kBlock, c.total);
        std::fill_n(sums.get(), kBlock * c.pitch, 0);
        const Own own(c, block);
        score_runs<N, Weighted>(call, own, sums.get(), line);
        score_few<Weighted>(call, own, sums.get());
        for (long t = first; t < last; ++t) std::copy_n(sums.get() + (t - first) * c.pitch, c.width, call.to + t * c.width);
    }
}

// The blocks' rows of gradients as rows of `pitch`.
void copy_rows(const FeatureGradient& call, long first, long last, double* to) {
    const FeatureColumns& c = call.columns;
    for (long t = first; t < last; ++t) std::copy_n(call.grad + t * c.width, c.width, to + (t - first) * c.pitch);
}

template <int N, bool Weighted>
void add_runs(const FeatureGradient& call, const Own& own, const double* grad, Line<N>& line) {
    const FeatureColumns& c = call.columns;
    std::int64_t s = own.first_step();
    for (const Run* run = own.run; run < own.last; ++run) {
        ask_row(own, run, call.rows, c.pitch);
        double* row = call.rows + run->row * c.pitch;
        line.read(row);
        for (; s < own.base + run->until; ++s) line.add(Weighted ? c.values[s] : 1.0, grad + c.steps[s] * c.pitch);
        line.write(row);
    }
}

template <bool Weighted>
void add_few(const FeatureGradient& call, const Own& own, const double* grad) {
    const FeatureColumns& c = call.columns;
    for (const Few* few = own.few; few < own.end; ++few) {
        const double value = Weighted ? c.few_values[few - c.few] : 1.0;
        const double* row = grad + few->step * c.pitch;
        for (long k = few->begin; k < few->begin + few->count; ++k) call.weights[k] += value * row[c.labels[k]];
    }
}

template <int N, bool Weighted>
void add_share(const FeatureGradient& call, int part) {
    const FeatureColumns& c = call.columns;
    const Room grad(kBlock * c.pitch);
    std::fill_n(grad.get(), kBlock * c.pitch, 0);
    Line<N> line(c.pitch);
    for (long first = 0, block = 0; first < c.total; first += kBlock, ++block) {
        copy_rows(call, first, std::min(first + kBlock, c.total), grad.get());
        Own own(c, block);
        own.narrow(call.shares[part], call.shares[part + 1]);
        add_runs<N, Weighted>(call, own, grad.get(), line);
        add_few<Weighted>(call, own, grad.get());
    }
}

// Calls work with the number of vectors in a row, 0 where they are too many for registers, and with
// whether there are values.
template <int N = kMostVectors, class Work>
void specialised(long pitch, bool weighted, const Work& work) {
    if (N && pitch != N * kWide) return specialised<N ? N - 1 : 0>(pitch, weighted, work);
    weighted ? work.template operator()<N, true>() : work.template operator()<N, false>();
}

void scores(const FeatureScores& call) {
    run_team(call.features.threads, [](void* context, const Member& member) {
        const FeatureScores& call = *static_cast<const FeatureScores*>(context);
        const long total = call.features.total;
        const long first = total * member.index / member.count;
        const long last = total * (member.index + 1) / member.count;
        specialised(call.features.pitch, call.features.values != nullptr, [&]<int N, bool Weighted>() {
            score_steps<N, Weighted>(call, first, last);
        });
    }, const_cast<FeatureScores*>(&call));
}

void column_scores(const ColumnScores& call) {
    run_team(call.columns.threads, [](void* context, const Member& member) {
        const ColumnScores& call = *static_cast<const ColumnScores*>(context);
        specialised(call.columns.pitch, call.columns.valued, [&]<int N, bool Weighted>() {
            score_blocks<N, Weighted>(call, member);
        });
    }, const_cast<ColumnScores*>(&call));
}

void gradient(const FeatureGradient& call) {
    run_team(call.columns.threads, [](void* context, const Member& member) {
        const FeatureGradient& call = *static_cast<const FeatureGradient*>(context);
        // A team may be smaller than was asked for; then one member does the parts of all.
        const FeatureColumns& c = call.columns;
        for (int part = member.index; part < c.threads; part += member.count) {
            specialised(c.pitch, c.valued, [&]<int N, bool Weighted>() { add_share<N, Weighted>(call, part); });
        }
    }, const_cast<FeatureGradient*>(&call));
}

constexpr FeatureKernels kKernels{scores, column_scores, gradient};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) feature_kernels_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const FeatureKernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
