// catena._native.top_items and move_rows: arrays as addresses.
//
// The one caller, catena.kernels.items, has made or checked all arrays and keeps them alive.
#include "bind_items.hpp"

#include "items.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

template <class T>
T* at(Address a) { return reinterpret_cast<T*>(a); }

void top_items(long items, long width, long coded, long k, Address table, Address bias, Address ceiling, Address codes,
               Address scale, Address rest, Address axes, Address query, float longest, float largest, Address found,
               Address scores) {
    chosen_items().top({items, width, coded, k, at<const float>(table), at<const float>(bias), at<const float>(ceiling),
                        at<const std::uint8_t>(codes), at<const float>(scale), at<const float>(rest),
                        at<const double>(axes), at<const float>(query), longest, largest,
                        at<std::int64_t>(found), at<float>(scores)});
}

void move_rows(long count, long width, Address rows, Address gradient, Address table, Address squares,
               Address velocity, float rate, float momentum, float keep, float epsilon) {
    chosen_items().move({count, width, at<const std::int64_t>(rows), at<const float>(gradient), at<float>(table),
                         at<float>(squares), at<float>(velocity), rate, momentum, keep, epsilon});
}

}  // namespace

void bind_items(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("top_items", &top_items, free(), "The best of many items; see native/items.hpp.");
    m.def("move_rows", &move_rows, free(), "Adagrad for some rows of a table; see native/items.hpp.");
}

}  // namespace catena
