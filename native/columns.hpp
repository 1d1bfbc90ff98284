// Sparse attributes of steps, turned over once to be used often; see FeatureColumns.
#pragma once

#include <vector>

#include "features.hpp"

namespace catena {

class Columns {
public:
    // Args as in Features and FeatureScores; nothing of them is kept.
    Columns(long total, const std::int64_t* steps, const std::int32_t* ids, const double* values, const Place* places);

    // The first row and weight of each of the threads, and what lies behind all; [threads + 1].
    void share(int threads, Share* to) const;

    // All that is known here of a call.
    FeatureColumns call() const;

private:
    struct Block;

    void add_runs(Block& block);
    void add_few(Block& block);

    long total_;
    bool valued_;
    std::vector<std::int64_t> run_cuts_{0}, step_cuts_{0}, few_cuts_{0};
    std::vector<Run> runs_;
    std::vector<std::uint16_t> steps_;
    std::vector<Few> few_;
    std::vector<double> values_, few_values_;
};

}  // namespace catena
