// catena._native.feature_scores, feature_order and Columns: arrays as addresses.
//
// The one caller, catena.kernels.features, has made or checked all arrays and keeps them alive.
#include "bind_features.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "columns.hpp"
#include "features.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

template <class T>
T* at(Address a) { return reinterpret_cast<T*>(a); }

Features features(int threads, long total, long width, long pitch, Address ids, Address values,
                  Address places, Address labels) {
    return {threads, total, width, pitch, at<const std::int32_t>(ids), at<const double>(values),
            at<const Place>(places), at<const std::int32_t>(labels)};
}

void scores(int threads, long total, long width, long pitch, Address ids, Address values, Address places,
            Address labels, Address steps, Address weights, Address rows, Address to) {
    chosen_features().scores({features(threads, total, width, pitch, ids, values, places, labels),
                              at<const std::int64_t>(steps), at<const double>(weights),
                              at<const double>(rows), at<double>(to)});
}

void make(Columns* to, long total, Address steps, Address ids, Address values, Address places) {
    new (to) Columns(total, at<const std::int64_t>(steps), at<const std::int32_t>(ids), at<const double>(values),
                     at<const Place>(places));
}

void share(const Columns& columns, int threads, Address to) { columns.share(threads, at<Share>(to)); }

FeatureColumns call_of(const Columns& columns, int threads, long width, long pitch, Address labels) {
    FeatureColumns call = columns.call();
    call.threads = threads;
    call.width = width;
    call.pitch = pitch;
    call.labels = at<const std::int32_t>(labels);
    return call;
}

void column_scores(const Columns& columns, int threads, long width, long pitch, Address labels, Address weights,
                   Address rows, Address to) {
    chosen_features().column_scores({call_of(columns, threads, width, pitch, labels), at<const double>(weights),
                                     at<const double>(rows), at<double>(to)});
}

void gradient(const Columns& columns, int threads, long width, long pitch, Address labels, Address shares, Address grad,
              Address weights, Address rows) {
    chosen_features().gradient({call_of(columns, threads, width, pitch, labels), at<const Share>(shares),
                                at<const double>(grad), at<double>(weights), at<double>(rows)});
}

// `count` numbers in rising order. Of a few each one's place is counted, without a branch that cannot be
// foreseen.
void sort(const std::int32_t* from, std::int64_t count, std::int32_t* to) {
    constexpr std::int64_t kFew = 32;
    if (count > kFew) {
        std::copy(from, from + count, to);
        std::sort(to, to + count);
        return;
    }
    for (std::int32_t i = 0; i < count; ++i) {
        std::int32_t place = 0;
        for (std::int32_t j = 0; j < count; ++j) place += (from[j] < from[i]) | ((from[j] == from[i]) & (j < i));
        to[place] = from[i];
    }
}

// The attributes of each step in rising order; equal ones keep theirs.
void order(long total, Address steps, Address ids, Address values, Address sorted, Address valued) {
    const auto *offsets = at<const std::int64_t>(steps);
    const auto *from = at<const std::int32_t>(ids);
    auto* to = at<std::int32_t>(sorted);
    if (!values) {
        for (long t = 0; t < total; ++t) sort(from + offsets[t], offsets[t + 1] - offsets[t], to + offsets[t]);
        return;
    }
    std::vector<std::pair<std::int32_t, std::int64_t>> own;
    for (long t = 0; t < total; ++t) {
        own.clear();
        for (std::int64_t j = offsets[t]; j < offsets[t + 1]; ++j) own.emplace_back(from[j], j);
        std::sort(own.begin(), own.end());
        for (std::int64_t j = offsets[t]; j < offsets[t + 1]; ++j) {
            to[j] = own[j - offsets[t]].first;
            at<double>(valued)[j] = at<const double>(values)[own[j - offsets[t]].second];
        }
    }
}

}  // namespace

void bind_features(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("feature_scores", &scores, free(), "Scores of labels from sparse attributes.");
    m.def("feature_order", &order, free(), "The attributes of each step in rising order.");
    nb::class_<Columns>(m, "Columns", "Sparse attributes of steps, attribute by attribute.")
        .def("__init__", &make, free())
        .def("share", &share, free(), "Where each of some threads begins.")
        .def("scores", &column_scores, free(), "Scores of labels.")
        .def("gradient", &gradient, free(), "The way back from scores to weights.");
}

}  // namespace catena
