// Scores of labels from sparse attributes, and the gradients' way back, as they cross the border.
//
// A step has the attributes ids[j] for j from steps[t] to steps[t + 1] - 1, best in rising order: where
// attributes are numbered by how frequent they are, those of the same kind then come together. An attribute
// that goes with many of the labels has a row of weights, one a label; the weights of another are
// weights[begin] .. weights[begin + count - 1], for the labels of the same places. All numbers are float64.
#pragma once

#include <cstdint>

namespace catena {

struct Place {
    std::int32_t begin;  // of its weights; or its row
    std::int32_t count;  // of its weights; negative: it has a row
};

struct Features {
    int threads;
    long total, width, pitch;    // steps, labels, and how far apart the rows are
    const std::int32_t* ids;     // [m]
    const double* values;        // [m], or null where all are 1
    const Place* places;         // [attributes]
    const std::int32_t* labels;  // [features]
};

struct FeatureScores {
    Features features;
    const std::int64_t* steps;  // [total + 1]
    const double* weights;      // [features]
    const double* rows;         // [rows, pitch]
    double* to;                 // [total, width]
};

// The same attributes of steps by columns: attribute by attribute within each block of steps, so that what
// is read lies together and a row is taken up once a block. Attributes with a row come in runs: steps
// begin .. until - 1 of the block's, `begin` being where the run before ends.
constexpr long kBlock = 512;  // steps: their gradient stays in the second cache

struct Run {
    std::int32_t row, until;
};

// One of the others at one step: its weights, as in Place, and the step, counted from the block's first.
struct Few {
    std::int32_t begin;
    std::uint16_t count, step;
};

// What one thread begins with: it has rows and weights from these to where the next thread begins.
struct Share {
    std::int32_t row, weight;
};

// Block b has the runs from run_cuts[b], their steps from step_cuts[b], and the others from few_cuts[b].
struct FeatureColumns {
    int threads;
    bool valued;  // otherwise all values are 1
    long total, width, pitch;
    const std::int64_t *run_cuts, *step_cuts, *few_cuts;  // [blocks + 1]
    const Run* runs;
    const std::uint16_t* steps;  // counted from the block's first
    const Few* few;
    const double *values, *few_values;  // as steps and few
    const std::int32_t* labels;         // [features]
};

// Each block is scored by one thread: rows first, attribute by attribute, then single weights.
struct ColumnScores {
    FeatureColumns columns;
    const double* weights;  // [features]
    const double* rows;     // [rows, pitch]
    double* to;             // [total, width]
};

// Each sum is made by one thread, in the order of the steps.
struct FeatureGradient {
    FeatureColumns columns;
    const Share* shares;  // [threads + 1]
    const double* grad;   // [total, width]
    double* weights;      // [features], added to
    double* rows;         // [rows, pitch], added to
};

struct FeatureKernels {
    void (*scores)(const FeatureScores&);
    void (*column_scores)(const ColumnScores&);
    void (*gradient)(const FeatureGradient&);
};

const FeatureKernels& feature_kernels_portable();
#if defined(__x86_64__)
const FeatureKernels& feature_kernels_avx2();
const FeatureKernels& feature_kernels_avx512();
#endif

// Those of the instruction set that is in use.
const FeatureKernels& chosen_features();

}  // namespace catena
