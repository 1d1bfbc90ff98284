#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the functions feature_scores and feature_order and the class Columns to the module.
void bind_features(nanobind::module_& m);

}  // namespace catena
