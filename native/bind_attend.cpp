// catena._native.attend: arrays as addresses.
//
// The one caller, catena.kernels.looking, has made or checked all arrays and keeps them alive.
#include "bind_attend.hpp"

#include "attend.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

template <class T>
T* at(Address a) { return reinterpret_cast<T*>(a); }

void attend(int threads, long rows, Address queries, Address owner, Address keys, Address values, Address steps,
            Address pitch, long heads, long width, long shown, long longest, Address context, Address weights) {
    chosen_attend()({threads, rows, at<const float>(queries), at<const std::int64_t>(owner),
                     {at<const Address>(keys), at<const Address>(values), at<const std::int64_t>(steps),
                      at<const std::int64_t>(pitch), heads, width, shown, longest},
                     at<float>(context), at<float>(weights)});
}

}  // namespace

void bind_attend(nb::module_& m) {
    m.def("attend", &attend, nb::call_guard<nb::gil_scoped_release>(), "Attention by products; see native/attend.hpp.");
}

}  // namespace catena
