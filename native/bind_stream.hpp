#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the class Stepper to the module.
void bind_stream(nanobind::module_& m);

}  // namespace catena
