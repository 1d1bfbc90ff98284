#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the functions log_sums and top_of_rows to the module.
void bind_rows(nanobind::module_& m);

}  // namespace catena
