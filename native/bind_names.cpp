// catena._native.Names: arrays as addresses, which the one caller, catena.features.names, keeps alive.
#include "bind_names.hpp"

#include <string_view>
#include <vector>

#include "names.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

template <class T>
T* at(Address a) { return reinterpret_cast<T*>(a); }

void make(Names* to, long count, Address offsets, Address text) {
    new (to) Names(count, at<const std::int64_t>(offsets), at<const char>(text));
}

// The numbers of names that lie one after the other.
void find(const Names& names, long count, Address offsets, Address text, Address to) {
    const auto* from = at<const std::int64_t>(offsets);
    std::vector<std::string_view> wanted(count);
    for (long i = 0; i < count; ++i) {
        wanted[i] = {at<const char>(text) + from[i], static_cast<std::size_t>(from[i + 1] - from[i])};
    }
    names.find(wanted.data(), count, at<std::int32_t>(to));
}

// The numbers of the strings in a list of lists, one after the other, `count` of them. False where there
// is something else in it.
bool find_in_lists(const Names& names, nb::list lists, long count, Address to) {
    std::vector<std::string_view> wanted;
    long done = 0;
    for (nb::handle list : lists) {
        if (!PyList_CheckExact(list.ptr())) return false;
        wanted.clear();
        const Py_ssize_t size = PyList_GET_SIZE(list.ptr());
        if (done + size > count) return false;
        for (Py_ssize_t i = 0; i < size; ++i) {
            Py_ssize_t length = 0;
            PyObject* item = PyList_GET_ITEM(list.ptr(), i);
            const char* text = PyUnicode_Check(item) ? PyUnicode_AsUTF8AndSize(item, &length) : nullptr;
            if (!text) {
                PyErr_Clear();
                return false;
            }
            wanted.emplace_back(text, static_cast<std::size_t>(length));
        }
        names.find(wanted.data(), size, at<std::int32_t>(to) + done);
        done += size;
    }
    return done == count;
}

}  // namespace

void bind_names(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    nb::class_<Names>(m, "Names", "A table of distinct names, to find their numbers by.")
        .def("__init__", &make, free())
        .def("find", &find, free(), "The numbers of names that lie one after the other.")
        .def("find_in_lists", &find_in_lists, "The numbers of the strings in a list of lists.")
        .def_prop_ro("distinct", &Names::distinct, "Whether no name comes twice.");
}

}  // namespace catena
