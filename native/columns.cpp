#include "columns.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace catena {

// An attribute at a step: those of one block are sorted.
struct Columns::Entry {
    std::int32_t begin;
    std::uint16_t count, step;
    std::int64_t from;  // where its value is

    bool operator<(const Entry& other) const { return begin != other.begin ? begin < other.begin : from < other.from; }
};

Columns::Columns(long total, const std::int64_t* steps, const std::int32_t* ids, const double* values,
                 const Place* places)
    : total_(total), valued_(values != nullptr) {
    std::vector<Entry> rows, others;
    for (long first = 0; first < total; first += kBlock) {
        const long last = std::min(first + kBlock, total);
        if (steps[last] - steps[first] > std::numeric_limits<std::int32_t>::max()) {
            throw std::length_error("some hundred steps have more than 2^31 attributes");
        }
        rows.clear();
        others.clear();
        for (long t = first; t < last; ++t) {
            for (std::int64_t j = steps[t]; j < steps[t + 1]; ++j) {
                const Place place = places[ids[j]];
                const auto step = static_cast<std::uint16_t>(t - first);
                if (place.count < 0) rows.push_back({place.begin, 0, step, j});
                else if (place.count) others.push_back({place.begin, static_cast<std::uint16_t>(place.count), step, j});
            }
        }
        add_runs(rows, values);
        add_few(others, values);
    }
    runs_.shrink_to_fit();
    steps_.shrink_to_fit();
    few_.shrink_to_fit();
}

void Columns::add_runs(std::vector<Entry>& rows, const double* values) {
    std::sort(rows.begin(), rows.end());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i == 0 || rows[i].begin != rows[i - 1].begin) runs_.push_back({rows[i].begin, 0});
        runs_.back().until = static_cast<std::int32_t>(i + 1);
        steps_.push_back(rows[i].step);
        if (values) values_.push_back(values[rows[i].from]);
    }
    run_cuts_.push_back(static_cast<std::int64_t>(runs_.size()));
    step_cuts_.push_back(static_cast<std::int64_t>(steps_.size()));
}

void Columns::add_few(std::vector<Entry>& others, const double* values) {
    std::sort(others.begin(), others.end());
    for (const Entry& entry : others) {
        few_.push_back({entry.begin, entry.count, entry.step});
        if (values) few_values_.push_back(values[entry.from]);
    }
    few_cuts_.push_back(static_cast<std::int64_t>(few_.size()));
}

// Equally many steps of rows each, and equally many of the others.
void Columns::share(int threads, Share* to) const {
    std::vector<std::int32_t> rows, weights;
    for (std::size_t block = 0; block + 1 < run_cuts_.size(); ++block) {
        for (std::int64_t r = run_cuts_[block], begin = 0; r < run_cuts_[block + 1]; begin = runs_[r++].until) {
            rows.insert(rows.end(), runs_[r].until - begin, runs_[r].row);
        }
    }
    for (const Few& few : few_) weights.push_back(few.begin);
    const auto cut = [&](std::vector<std::int32_t>& keys, int k) {
        if (k == 0 || keys.empty()) return 0;
        if (k == threads) return std::numeric_limits<std::int32_t>::max();
        const auto at = keys.begin() + static_cast<std::ptrdiff_t>(keys.size() * k / threads);
        std::nth_element(keys.begin(), at, keys.end());
        return *at;
    };
    for (int k = 0; k <= threads; ++k) to[k] = {cut(rows, k), cut(weights, k)};
}

FeatureGradient Columns::call() const {
    FeatureGradient call{};
    call.total = total_;
    call.run_cuts = run_cuts_.data();
    call.step_cuts = step_cuts_.data();
    call.few_cuts = few_cuts_.data();
    call.runs = runs_.data();
    call.steps = steps_.data();
    call.few = few_.data();
    call.valued = valued_;
    call.values = values_.data();
    call.few_values = few_values_.data();
    return call;
}

}  // namespace catena
