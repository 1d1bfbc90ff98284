// Sparse attributes times weights, and back; compiled once for each instruction set.
//
// A step touches some tens of weights that lie anywhere in megabytes, so waiting for memory is most of
// the work: what the attributes to come will need is asked for ahead.
#include "features.hpp"

#include "threads.hpp"

#ifndef CATENA_ARCH
#define CATENA_ARCH portable
#endif

namespace catena::CATENA_ARCH {
namespace {

constexpr long kFarAhead = 24;  // attributes: their places are asked for
constexpr long kAhead = 12;     // attributes: their weights are

// The attributes from `at` on, some of which will need weights soon.
template <class Weight>
void ask_ahead(const Features& f, long at, long end, const Weight* weights, const Weight* rows) {
    if (at + kFarAhead < end) __builtin_prefetch(&f.places[f.ids[at + kFarAhead]]);
    if (at + kAhead >= end) return;
    const Place place = f.places[f.ids[at + kAhead]];
    __builtin_prefetch(place.count < 0 ? rows + place.begin * f.pitch : weights + place.begin);
    __builtin_prefetch(f.labels + place.begin);
}

template <bool Weighted>
void score_steps(const FeatureScores& call, long first, long last) {
    const Features& f = call.features;
    const long end = call.steps[last];
    for (long t = first; t < last; ++t) {
        double* to = call.to + t * f.width;
        for (long l = 0; l < f.width; ++l) to[l] = 0;
        for (long j = call.steps[t]; j < call.steps[t + 1]; ++j) {
            ask_ahead(f, j, end, call.weights, call.rows);
            const Place place = f.places[f.ids[j]];
            const double value = Weighted ? f.values[j] : 1.0;
            if (place.count < 0) {
                const double* row = call.rows + place.begin * f.pitch;
                for (long l = 0; l < f.width; ++l) to[l] += Weighted ? value * row[l] : row[l];
                continue;
            }
            for (long k = place.begin; k < place.begin + place.count; ++k) {
                to[f.labels[k]] += Weighted ? value * call.weights[k] : call.weights[k];
            }
        }
    }
}

template <bool Weighted>
void add_steps(const FeatureGradient& call, const std::int64_t* steps) {
    const Features& f = call.features;
    const long end = steps[f.total];
    for (long t = 0; t < f.total; ++t) {
        const double* grad = call.grad + t * f.width;
        for (long j = steps[t]; j < steps[t + 1]; ++j) {
            ask_ahead(f, j, end, call.weights, call.rows);
            const Place place = f.places[f.ids[j]];
            const double value = Weighted ? f.values[j] : 1.0;
            if (place.count < 0) {
                double* row = call.rows + place.begin * f.pitch;
                for (long l = 0; l < f.width; ++l) row[l] += Weighted ? value * grad[l] : grad[l];
                continue;
            }
            for (long k = place.begin; k < place.begin + place.count; ++k) {
                call.weights[k] += Weighted ? value * grad[f.labels[k]] : grad[f.labels[k]];
            }
        }
    }
}

void scores(const FeatureScores& call) {
    run_team(call.features.threads, [](void* context, const Member& member) {
        const FeatureScores& call = *static_cast<const FeatureScores*>(context);
        const long total = call.features.total;
        const long first = total * member.index / member.count;
        const long last = total * (member.index + 1) / member.count;
        if (call.features.values) score_steps<true>(call, first, last);
        else score_steps<false>(call, first, last);
    }, const_cast<FeatureScores*>(&call));
}

void gradient(const FeatureGradient& call) {
    run_team(call.features.threads, [](void* context, const Member& member) {
        const FeatureGradient& call = *static_cast<const FeatureGradient*>(context);
        // A team may be smaller than was asked for; then one member does the parts of all.
        for (int part = member.index; part < call.features.threads; part += member.count) {
            const std::int64_t* steps = call.steps + part * (call.features.total + 1);
            if (call.features.values) add_steps<true>(call, steps);
            else add_steps<false>(call, steps);
        }
    }, const_cast<FeatureGradient*>(&call));
}

constexpr FeatureKernels kKernels{scores, gradient};

}  // namespace
}  // namespace catena::CATENA_ARCH

#define CATENA_NAME_(arch) feature_kernels_##arch
#define CATENA_NAME(arch) CATENA_NAME_(arch)

namespace catena {
const FeatureKernels& CATENA_NAME(CATENA_ARCH)() { return CATENA_ARCH::kKernels; }
}  // namespace catena
