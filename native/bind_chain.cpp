// The linear chain's functions of catena._native. The one caller, catena.kernels.chain.native, has
// checked shapes, types and lengths, and keeps all arrays alive.
#include "bind_chain.hpp"

#include "chain.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

template <class Number>
Number* at(Address a) {
    return reinterpret_cast<Number*>(a);
}

Chain chain(int threads, long n, long labels, bool doubles, Address lengths, Address scores, Address transitions,
            Address start, Address end) {
    return {threads, n, labels, at<std::int64_t>(lengths), at<void>(scores), doubles, at<double>(transitions),
            at<double>(start), at<double>(end)};
}

void expect(int threads, long n, long labels, bool doubles, Address lengths, Address scores, Address transitions,
            Address start, Address end, Address weight, Address log_z, Address marginals, Address counts,
            Address counts_of_start, Address counts_of_end) {
    chosen_chain().expect({chain(threads, n, labels, doubles, lengths, scores, transitions, start, end),
                           at<double>(weight), at<double>(log_z), at<void>(marginals), at<double>(counts),
                           at<double>(counts_of_start), at<double>(counts_of_end)});
}

void best(int threads, long n, long labels, bool doubles, Address lengths, Address scores, Address transitions,
          Address start, Address end, long k, Address paths, Address found) {
    chosen_chain().best({chain(threads, n, labels, doubles, lengths, scores, transitions, start, end), k,
                         at<std::int64_t>(paths), at<double>(found)});
}

void filter(int threads, long n, long labels, Address lengths, Address firsts, Address log_likelihood,
            Address transition, Address before, Address beliefs, Address after) {
    chosen_chain().filter({threads, n, labels, at<std::int64_t>(lengths), at<std::int64_t>(firsts),
                           at<double>(log_likelihood), at<double>(transition), at<double>(before),
                           at<double>(beliefs), at<double>(after)});
}

}  // namespace

void bind_chain(nb::module_& m) {
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("expect", &expect, free(), "log Z and what is expected of a path; see native/chain.hpp.");
    m.def("best", &best, free(), "The k best paths; see native/chain.hpp.");
    m.def("filter", &filter, free(), "Beliefs, step by step; see native/chain.hpp.");
}

}  // namespace catena
