#include "columns.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace catena {

// What a block's attributes are: where their row or weights begin, times 2^32, and which of the block's they
// are. Sorted, they come attribute by attribute, each in the order of the steps.
struct Columns::Block {
    const Place* places;
    const std::int32_t* ids;
    const double* values;  // of the block's first attribute, or null
    std::vector<std::uint64_t> rows, others;
    std::vector<std::uint16_t> steps;  // of each attribute

    void add(std::uint16_t step) {
        const Place place = places[ids[steps.size()]];
        const std::uint64_t key = static_cast<std::uint64_t>(place.begin) << 32 | steps.size();
        if (place.count) (place.count < 0 ? rows : others).push_back(key);
        steps.push_back(step);
    }
    static std::int32_t begin(std::uint64_t key) { return static_cast<std::int32_t>(key >> 32); }
    static std::uint32_t which(std::uint64_t key) { return static_cast<std::uint32_t>(key); }
};

Columns::Columns(long total, const std::int64_t* steps, const std::int32_t* ids, const double* values,
                 const Place* places)
    : total_(total), valued_(values != nullptr) {
    Block block;
    for (long first = 0; first < total; first += kBlock) {
        const long last = std::min(first + kBlock, total);
        if (steps[last] - steps[first] > std::numeric_limits<std::int32_t>::max()) {
            throw std::length_error("some hundred steps have more than 2^31 attributes");
        }
        block = {places, ids + steps[first], values ? values + steps[first] : nullptr, {}, {}, {}};
        for (long t = first; t < last; ++t) {
            for (std::int64_t j = steps[t]; j < steps[t + 1]; ++j) block.add(static_cast<std::uint16_t>(t - first));
        }
        add_runs(block);
        add_few(block);
    }
    runs_.shrink_to_fit();
    steps_.shrink_to_fit();
    few_.shrink_to_fit();
}

void Columns::add_runs(Block& block) {
    std::sort(block.rows.begin(), block.rows.end());
    std::int32_t count = 0;
    for (const std::uint64_t key : block.rows) {
        const std::int32_t row = Block::begin(key);
        if (count == 0 || runs_.back().row != row) runs_.push_back({row, 0});
        runs_.back().until = ++count;
        steps_.push_back(block.steps[Block::which(key)]);
        if (valued_) values_.push_back(block.values[Block::which(key)]);
    }
    run_cuts_.push_back(static_cast<std::int64_t>(runs_.size()));
    step_cuts_.push_back(static_cast<std::int64_t>(steps_.size()));
}

void Columns::add_few(Block& block) {
    std::sort(block.others.begin(), block.others.end());
    for (const std::uint64_t key : block.others) {
        const std::uint32_t which = Block::which(key);
        const std::int32_t count = block.places[block.ids[which]].count;
        few_.push_back({Block::begin(key), static_cast<std::uint16_t>(count), block.steps[which]});
        if (valued_) few_values_.push_back(block.values[which]);
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

FeatureColumns Columns::call() const {
    FeatureColumns call{};
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
