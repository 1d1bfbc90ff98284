#pragma once

#include <nanobind/nanobind.h>

namespace catena {

// Adds the linear chain's kernels to the module.
void bind_chain(nanobind::module_& m);

}  // namespace catena
