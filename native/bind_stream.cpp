// The class catena._native.Stepper: addresses of a stack's weights and state, and one call a step.
//
// The one caller, catena.kernels.cell.stepper, has made or checked all tensors and keeps them alive.
#include "bind_stream.hpp"

#include <cstring>
#include <vector>

#include "stream.hpp"

namespace nb = nanobind;

namespace catena {
namespace {

using Address = std::uintptr_t;

const float* in(Address a) { return reinterpret_cast<const float*>(a); }
float* inout(Address a) { return reinterpret_cast<float*>(a); }

// A step that reads fewer weights is over sooner than another thread could make use of it.
constexpr long kShort = 500'000;

class Stepper {
public:
    Stepper(int kind, bool coupled, float zone_h, float zone_c, bool half, int threads, long rows, long units,
            Address h, Address fresh, Address c, Address gates, Address room, Address out)
        : gates_(kind == 3 ? 4 : kind == 2 ? 3 : 1), h_(inout(h)), out_(inout(out)) {
        stream_ = {static_cast<Kind>(kind), {nullptr, nullptr, zone_h, zone_c, 0, false, coupled},
                   half, threads, rows, units, nullptr, 0, nullptr, h_, inout(fresh), inout(c), inout(gates),
                   inout(room)};
    }

    void add(long inputs, Address weights, Address bias, Address bias_n, Address peephole, Address norm_x,
             Address norm_h, Address norm_c) {
        layers_.push_back({inputs, reinterpret_cast<const void*>(weights), in(bias), in(bias_n), in(peephole),
                           in(norm_x), in(norm_h), in(norm_c)});
        weights_ += gates_ * stream_.units * (inputs + stream_.units);
        stream_.layers = layers_.data();
        stream_.depth = static_cast<long>(layers_.size());
    }

    void push(Address x) {
        stream_.x = in(x);
        if (weights_ * stream_.rows < kShort) return step();
        nb::gil_scoped_release free;
        step();
    }

private:
    // Fresh values go into their places when all that read the former are done; x may be `out`.
    void step() {
        chosen_step()(stream_);
        const long row = stream_.rows * stream_.units, all = stream_.depth * row;
        std::memcpy(h_, stream_.fresh, sizeof(float) * all);
        std::memcpy(out_, stream_.fresh + all - row, sizeof(float) * row);
    }

    Stream stream_;
    std::vector<StreamLayer> layers_;
    long gates_, weights_ = 0;
    float *h_, *out_;
};

}  // namespace

void bind_stream(nb::module_& m) {
    nb::class_<Stepper>(m, "Stepper", "A stack of layers, one step at a time; see native/stream.hpp.")
        .def(nb::init<int, bool, float, float, bool, int, long, long, Address, Address, Address, Address, Address,
                      Address>())
        .def("add", &Stepper::add, "Put a layer on top.")
        .def("push", &Stepper::push, "One step of all layers.");
}

}  // namespace catena
