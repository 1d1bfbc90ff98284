// The Python module catena._native.
//
// Arrays come as addresses. The one caller, catena.kernels.cell.native, has checked type, shape,
// device and layout of each; handing a tensor over through DLPack costs some 6 microseconds, which
// is longer than a whole streaming step may take.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "attend.hpp"
#include "bind_attend.hpp"
#include "bind_chain.hpp"
#include "bind_features.hpp"
#include "bind_items.hpp"
#include "bind_names.hpp"
#include "bind_rows.hpp"
#include "bind_sampled.hpp"
#include "bind_stream.hpp"
#include "call.hpp"
#include "chain.hpp"
#include "features.hpp"
#include "items.hpp"
#include "rows.hpp"
#include "sampled.hpp"
#include "stream.hpp"
#include "threads.hpp"

namespace nb = nanobind;
using namespace catena;

namespace {

using Address = std::uintptr_t;

const float* in(Address a) { return reinterpret_cast<const float*>(a); }
float* inout(Address a) { return reinterpret_cast<float*>(a); }

struct Level {
    std::string name;
    const Kernels& kernels;
    StepStream step;
    const ChainKernels& chain;
    const FeatureKernels& features;
    const ItemKernels& items;
    const RowKernels& rows;
    const SampledKernels& sampled;
    AttendKernel attend;
};

// What this processor can run, the best first.
std::vector<Level> available() {
    std::vector<Level> found;
#if defined(CATENA_AVX512)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        found.push_back({"avx512", kernels_avx512(), step_avx512, chain_avx512(), feature_kernels_avx512(),
                     item_kernels_avx512(), row_kernels_avx512(), sampled_kernels_avx512(), attend_avx512});
#endif
#if defined(CATENA_AVX2)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found.push_back({"avx2", kernels_avx2(), step_avx2, chain_avx2(), feature_kernels_avx2(),
                     item_kernels_avx2(), row_kernels_avx2(), sampled_kernels_avx2(), attend_avx2});
#endif
    found.push_back({"portable", kernels_portable(), step_portable, chain_portable(), feature_kernels_portable(),
                     item_kernels_portable(), row_kernels_portable(), sampled_kernels_portable(), attend_portable});
    return found;
}

const Kernels* chosen = &available().front().kernels;
StepStream step_in_use = available().front().step;
const ChainKernels* chain_in_use = &available().front().chain;
const FeatureKernels* features_in_use = &available().front().features;
const ItemKernels* items_in_use = &available().front().items;
const SampledKernels* sampled_in_use = &available().front().sampled;
const RowKernels* rows_in_use = &available().front().rows;
AttendKernel attend_in_use = available().front().attend;

std::vector<std::string> levels() {
    std::vector<std::string> names;
    for (const Level& level : available()) names.push_back(level.name);
    return names;
}

void use_level(const std::string& name) {
    for (const Level& level : available()) {
        if (level.name == name) {
            chosen = &level.kernels;
            step_in_use = level.step;
            chain_in_use = &level.chain;
            features_in_use = &level.features;
            items_in_use = &level.items;
            sampled_in_use = &level.sampled;
            rows_in_use = &level.rows;
            attend_in_use = level.attend;
            return;
        }
    }
    throw std::invalid_argument("this processor cannot run the kernels for " + name);
}

Variant variant(Address mask, Address peephole, float zone_h, float zone_c, std::int64_t seed, bool coupled) {
    const bool sampled = seed >= 0;
    return {in(mask), in(peephole), zone_h, zone_c, static_cast<std::uint32_t>(seed), sampled, coupled};
}

Shape shape(int kind, int threads, bool by_rows, long steps, long units, long seen, Address sizes, long done) {
    return {static_cast<Kind>(kind), threads, by_rows, steps, units, seen,
            reinterpret_cast<const std::int64_t*>(sizes), done};
}

void forward(int kind, int threads, bool by_rows, long steps, long n, long units, long seen, Address sizes, long done,
             Address packed, Address bias, Address h0, Address c0, Address gates, Address out, Address c,
             Address last_h, Address last_c, Address masked, Address projection, Address hidden,
             Address mask, Address peephole,
             float zone_h, float zone_c, std::int64_t seed, bool coupled, Address gain, Address norm_bias,
             Address gain_c, Address room, Address normal, Address scale) {
    const Norm norm{in(gain), in(norm_bias), in(gain_c), inout(room), inout(normal), inout(scale), nullptr, nullptr};
    const Forward call{shape(kind, threads, by_rows, steps, units, seen, sizes, done),
                       variant(mask, peephole, zone_h, zone_c, seed, coupled), norm,
                       in(packed), in(bias), in(h0), in(c0), inout(gates), inout(out), inout(c),
                       inout(last_h), inout(last_c), inout(masked), n, in(projection), inout(hidden)};
    chosen->forward(call);
}

void backward(int kind, int threads, bool by_rows, long steps, long, long units, long seen, Address sizes, long done,
              Address packed, Address h0, Address c0, Address gates, Address out, Address c, Address grad_out,
              Address grad_gates, Address carry_h, Address carry_c, Address projection, Address hidden,
              Address grad_h, Address mask, Address peephole,
              float zone_h, float zone_c, std::int64_t seed, bool coupled, Address gain, Address norm_bias,
              Address gain_c, Address room, Address normal, Address scale, Address grads, Address sums) {
    const Norm norm{in(gain), in(norm_bias), in(gain_c), inout(room), inout(normal), inout(scale), inout(grads), inout(sums)};
    const Backward call{shape(kind, threads, by_rows, steps, units, seen, sizes, done),
                        variant(mask, peephole, zone_h, zone_c, seed, coupled), norm,
                        in(packed), in(h0), in(c0), in(gates), in(out), in(c), in(grad_out),
                        inout(grad_gates), inout(carry_h), inout(carry_c), in(projection), inout(hidden),
                        inout(grad_h)};
    chosen->backward(call);
}

// Whether sizes are those of at most n sequences, longest first, with `total` steps in all.
bool valid(Address sizes, long steps, long total, long n) {
    const std::int64_t* size = reinterpret_cast<const std::int64_t*>(sizes);
    long sum = 0;
    for (long t = 0; t < steps; ++t) {
        if (size[t] < 0 || size[t] > (t ? size[t - 1] : n)) return false;
        sum += size[t];
    }
    return sum == total;
}

void former(int threads, long steps, long units, Address sizes, Address start, Address out, Address to) {
    chosen->former({threads, steps, units, reinterpret_cast<const std::int64_t*>(sizes), in(start), in(out),
                    inout(to)});
}

void dense(int threads, Address a, long rows, long stride, long depth, Address packed, Address start, Address to,
           long pitch, long columns) {
    chosen->dense({threads, in(a), rows, stride, depth, in(packed), in(start), inout(to), pitch, columns});
}

void outer(int threads, Address d, long pitch, long m, Address x, long rows, long n, Address to) {
    std::vector<const float*> addresses(rows);
    for (long r = 0; r < rows; ++r) addresses[r] = in(x) + r * n;
    std::vector<float> room(threads * kRoomOfOuter);
    chosen->outer({threads, in(d), pitch, m, addresses.data(), nullptr, rows, n, inout(to), room.data()});
}

// d.T @ h, where h is the state before each step, times the mask.
void outer_of_former(int threads, Address d, long pitch, long m, long steps, Address sizes, long seen, Address h0,
                     Address out, Address mask, Address to) {
    const std::int64_t* size = reinterpret_cast<const std::int64_t*>(sizes);
    std::vector<const float*> addresses, factors;
    const float* before = in(h0);
    long row = 0;
    for (long t = 0; t < steps; ++t) {
        for (long j = 0; j < size[t]; ++j) {
            addresses.push_back(before + j * seen);
            if (mask) factors.push_back(in(mask) + j * seen);
        }
        before = in(out) + row * seen;
        row += size[t];
    }
    std::vector<float> room(threads * kRoomOfOuter);
    chosen->outer({threads, in(d), pitch, m, addresses.data(), mask ? factors.data() : nullptr, row, seen,
                   inout(to), room.data()});
}

void pack_forward(Address w, long gates, long units, long depth, int threads, Address to) {
    chosen->pack_forward(in(w), gates, units, depth, threads, inout(to));
}

void pack_backward(Address w, long rows, long columns, int threads, Address to) {
    chosen->pack_backward(in(w), rows, columns, threads, inout(to));
}

}  // namespace

StepStream catena::chosen_step() { return step_in_use; }
const ChainKernels& catena::chosen_chain() { return *chain_in_use; }
const FeatureKernels& catena::chosen_features() { return *features_in_use; }
const ItemKernels& catena::chosen_items() { return *items_in_use; }
const SampledKernels& catena::chosen_sampled() { return *sampled_in_use; }
const RowKernels& catena::chosen_rows() { return *rows_in_use; }
AttendKernel catena::chosen_attend() { return attend_in_use; }

NB_MODULE(_native, m) {
    // A model that is still held when Python ends holds its table of names; that is no fault.
    nb::set_leak_warnings(false);
    using free = nb::call_guard<nb::gil_scoped_release>;
    m.def("levels", &levels, "Names of the kernels that this processor can run, the best first.");
    m.def("use_level", &use_level, "Run the kernels of this name from now on.");
    m.def("team_kind", &team_kind, "What carries several threads: PyTorch's OpenMP or plain threads.");
    m.def("forward", &forward, free(), "One layer through time; see native/call.hpp.");
    m.def("backward", &backward, free(), "The gradients' way back through time; see native/call.hpp.");
    m.def("valid", &valid, "Whether batch sizes are those of n sequences with `total` steps.");
    m.def("former", &former, free(), "What the step before left, for each step.");
    m.def("dense", &dense, free(), "to = start + a @ packed.");
    m.def("outer", &outer, free(), "to[m, n] = d.T @ x.");
    m.def("outer_of_former", &outer_of_former, free(), "d.T @ h, h the state before each step.");
    m.def("pack_forward", &pack_forward, free(), "[gates * units, depth] to panels, for h @ W.T.");
    m.def("pack_backward", &pack_backward, free(), "[rows, columns] to panels, for d @ W.");
    bind_stream(m);
    bind_chain(m);
    bind_features(m);
    bind_items(m);
    bind_names(m);
    bind_sampled(m);
    bind_rows(m);
    bind_attend(m);
}
