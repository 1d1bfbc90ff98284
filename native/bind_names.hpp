#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the class Names to the module.
void bind_names(nanobind::module_& m);

}  // namespace catena
