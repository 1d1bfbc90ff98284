#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the functions sampled_softmax, add_rows, draw and distinct to the module.
void bind_sampled(nanobind::module_& m);

}  // namespace catena
