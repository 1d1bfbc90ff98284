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

// Each thread has attributes of its own, so each sum is made by one thread, in the order of the steps:
// thread k has those of step t from cuts[k][t] to cuts[k + 1][t] - 1.
struct FeatureGradient {
    Features features;
    const std::int64_t* cuts;  // [threads + 1, total]
    const double* grad;        // [total, width]
    double* weights;           // [features], added to
    double* rows;              // [rows, pitch], added to
};

struct FeatureKernels {
    void (*scores)(const FeatureScores&);
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
