#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the function attend to the module.
void bind_attend(nanobind::module_& m);

}  // namespace catena
