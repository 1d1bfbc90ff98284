// catena._native.feature_scores and feature_gradient: arrays as addresses.
//
// The one caller, catena.kernels.features, has made or checked all arrays and keeps them alive.
#include "bind_features.hpp"

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

void gradient(int threads, long total, long width, long pitch, Address ids, Address values, Address places,
              Address labels, Address steps, Address grad, Address weights, Address rows) {
    chosen_features().gradient({features(threads, total, width, pitch, ids, values, places, labels),
                                at<const std::int64_t>(steps), at<const double>(grad),
                                at<double>(weights), at<double>(rows)});
}

}  // namespace

void bind_features(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("feature_scores", &scores, free(), "Scores of labels from sparse attributes.");
    m.def("feature_gradient", &gradient, free(), "The way back from scores to weights.");
}

}  // namespace catena
