// catena._native.sampled_softmax, add_rows, draw and distinct: arrays as addresses.
//
// The one caller, catena.kernels.sampled, has made or checked all arrays and keeps them alive.
#include "bind_sampled.hpp"

#include "draws.hpp"
#include "sampled.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

template <class T>
T* at(Address a) { return reinterpret_cast<T*>(a); }

void sampled_softmax(long rows, long items, Address products, Address bias, Address shift, Address own,
                     Address gain) {
    chosen_sampled().softmax({rows, items, at<float>(products), at<const float>(bias), at<const float>(shift),
                              at<const std::int64_t>(own), at<float>(gain)});
}

void add_rows(long count, long width, Address place, Address from, Address to) {
    chosen_sampled().add({count, width, at<const std::int64_t>(place), at<const float>(from), at<float>(to)});
}

void draw_items(long count, long edges, long cells, Address numbers, Address edge, Address guide, double per,
                Address found) {
    draw({count, edges, cells, at<const double>(numbers), at<const double>(edge), at<const std::int32_t>(guide), per,
          at<std::int64_t>(found)});
}

long distinct_items(long values, long others, long items, Address value, Address other, Address marks,
                    Address number, Address found, Address place, Address times) {
    return distinct({values, others, items, at<const std::int64_t>(value), at<const std::int64_t>(other),
                     at<std::uint64_t>(marks), at<std::int32_t>(number), at<std::int64_t>(found),
                     at<std::int64_t>(place), at<float>(times)});
}

}  // namespace

void bind_sampled(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("sampled_softmax", &sampled_softmax, free(), "Gains over shared items; see native/sampled.hpp.");
    m.def("add_rows", &add_rows, free(), "Adds rows to some of a table's; see native/sampled.hpp.");
    m.def("draw", &draw_items, free(), "Items for numbers, by edges; see native/draws.hpp.");
    m.def("distinct", &distinct_items, free(), "Which items an update needs; see native/draws.hpp.");
}

}  // namespace catena
