#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the functions feature_scores, feature_gradient and feature_order to the module.
void bind_features(nanobind::module_& m);

}  // namespace catena
