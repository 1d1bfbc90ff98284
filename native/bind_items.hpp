#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the functions top_items and move_rows to the module.
void bind_items(nanobind::module_& m);

}  // namespace catena
