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

// The text of a string; data() is null where there is none. ASCII is read where it lies.
std::string_view text_of(PyObject* item) {
    if (!PyUnicode_Check(item)) return {};
    if (PyUnicode_IS_COMPACT_ASCII(item)) {
        return {static_cast<const char*>(PyUnicode_DATA(item)), static_cast<std::size_t>(PyUnicode_GET_LENGTH(item))};
    }
    Py_ssize_t length = 0;
    const char* text = PyUnicode_AsUTF8AndSize(item, &length);
    if (!text) PyErr_Clear();
    return {text, static_cast<std::size_t>(length)};
}

// How many entries lists have; -1 where there is anything but lists.
long count_in_lists(nb::list lists) {
    constexpr Py_ssize_t kAhead = 16;
    long count = 0;
    for (Py_ssize_t i = 0, size = PyList_GET_SIZE(lists.ptr()); i < size; ++i) {
        if (i + kAhead < size) __builtin_prefetch(PyList_GET_ITEM(lists.ptr(), i + kAhead));
        PyObject* list = PyList_GET_ITEM(lists.ptr(), i);
        if (!PyList_CheckExact(list)) return -1;
        count += PyList_GET_SIZE(list);
    }
    return count;
}

// The texts of strings; false where there is something else among them.
bool read_texts(const std::vector<PyObject*>& items, std::vector<std::string_view>& texts) {
    constexpr std::size_t kAhead = 12;  // strings lie anywhere: they are asked for before they are read
    texts.clear();
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i + kAhead < items.size()) {
            const char* later = reinterpret_cast<const char*>(items[i + kAhead]);
            __builtin_prefetch(later);
            __builtin_prefetch(later + 64);
        }
        texts.push_back(text_of(items[i]));
        if (!texts.back().data()) return false;
    }
    return true;
}

// The numbers of the strings in a list of lists, of all or -1, `count` of them, and where each list's end.
// False where there is something else in it.
bool read_lists(const Names& names, nb::list lists, long count, std::int32_t* to, std::int64_t* ends) {
    constexpr std::size_t kTogether = 512;  // so that their text is still at hand when it is looked up
    std::vector<PyObject*> items;
    std::vector<std::string_view> texts;
    long done = 0;
    const auto look_up = [&] {
        if (!read_texts(items, texts)) return false;
        names.find(texts.data(), static_cast<long>(texts.size()), to + done);
        done += static_cast<long>(items.size());
        items.clear();
        return true;
    };
    for (nb::handle list : lists) {
        if (!PyList_CheckExact(list.ptr())) return false;
        const Py_ssize_t size = PyList_GET_SIZE(list.ptr());
        if (done + static_cast<long>(items.size()) + size > count) return false;
        for (Py_ssize_t i = 0; i < size; ++i) items.push_back(PyList_GET_ITEM(list.ptr(), i));
        *ends++ = done + static_cast<long>(items.size());
        if (items.size() >= kTogether && !look_up()) return false;
    }
    return look_up() && done == count;
}

// The same without -1, and offsets [lists + 1] of what is left.
bool find_in_lists(const Names& names, nb::list lists, long count, Address to, Address offsets) {
    auto* found = at<std::int32_t>(to);
    auto* ends = at<std::int64_t>(offsets);
    *ends++ = 0;
    if (!read_lists(names, lists, count, found, ends)) return false;
    long j = 0, left = 0;
    for (std::size_t i = 0; i < lists.size(); ++i) {
        for (; j < ends[i]; ++j) {
            if (found[j] >= 0) found[left++] = found[j];
        }
        ends[i] = left;
    }
    return true;
}

}  // namespace

void bind_names(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    nb::class_<Names>(m, "Names", "A table of distinct names, to find their numbers by.")
        .def("__init__", &make, free())
        .def("find", &find, free(), "The numbers of names that lie one after the other.")
        .def("find_in_lists", &find_in_lists, "The numbers of the strings in a list of lists.")
        .def_static("count_in_lists", &count_in_lists, "How many entries lists have.")
        .def_prop_ro("distinct", &Names::distinct, "Whether no name comes twice.");
}

}  // namespace catena
