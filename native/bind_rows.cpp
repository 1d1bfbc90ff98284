// catena._native.log_sums and top_of_rows: arrays as addresses.
//
// The one caller, catena.kernels.rows, has made or checked all arrays and keeps them alive.
#include "bind_rows.hpp"

#include "rows.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

ScoreRows rows_of(int threads, long rows, long pitch, long columns, Address scores) {
    return {threads, rows, pitch, columns, reinterpret_cast<const float*>(scores)};
}

void log_sums(int threads, long rows, long pitch, long columns, Address scores, Address to) {
    chosen_rows().log_sums({rows_of(threads, rows, pitch, columns, scores), reinterpret_cast<double*>(to)});
}

void top_of_rows(int threads, long rows, long pitch, long columns, Address scores, long k, Address values,
                 Address places) {
    chosen_rows().top({rows_of(threads, rows, pitch, columns, scores), k, reinterpret_cast<float*>(values),
                       reinterpret_cast<std::int64_t*>(places)});
}

}  // namespace

void bind_rows(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("log_sums", &log_sums, free(), "log of the sum of exp of each row; see native/rows.hpp.");
    m.def("top_of_rows", &top_of_rows, free(), "The best of each row; see native/rows.hpp.");
}

}  // namespace catena
