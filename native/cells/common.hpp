// What the pointwise parts share: where they are, and zoneout.
#pragma once

#include "../call.hpp"
#include "../simd.hpp"

namespace catena::CATENA_ARCH {

// 16 units of one sequence at one step.
struct Place {
    long row;          // in time-major arrays
    long step, j, u;   // the step, the sequence, the first unit
    int width;         // how many of the 16 there are
    const float* h;    // the state before, at this place; null where there is no such place in it
    const float* c;
};

CATENA_INLINE Naturals mix(Naturals a) {
    a ^= a >> 16;
    a *= 0x7feb352du;
    a ^= a >> 15;
    a *= 0x846ca68bu;
    return a ^ (a >> 16);
}

inline std::uint32_t mix(std::uint32_t a) {
    a ^= a >> 16;
    a *= 0x7feb352du;
    a ^= a >> 15;
    a *= 0x846ca68bu;
    return a ^ (a >> 16);
}

constexpr std::uint32_t kSaltOfC = 0x68bc21ebu;

// How much of its former value each unit keeps (Krueger et al. 2017): 0 or 1 in training, drawn by a
// hash of seed, step, sequence and unit, so that nothing needs to be stored for the way back; the
// chance itself in evaluation.
CATENA_INLINE Row kept(const Variant& v, float chance, std::uint32_t salt, const Place& at) {
    Row share;
    if (!v.sampled) {
        CATENA_EACH(i) share.v[i] = Vector{} + chance;
        return share;
    }
    const auto step = static_cast<std::uint32_t>(at.step), j = static_cast<std::uint32_t>(at.j);
    std::uint32_t key = mix(mix(v.seed ^ (step * 0x9E3779B9u)) + j);
    if (salt) key = mix(key ^ salt);
    CATENA_EACH(i) {
        Naturals unit = {};
        for (int lane = 0; lane < kLanes; ++lane) {
            unit[lane] = static_cast<std::uint32_t>(at.u + i * kLanes + lane);
        }
        const Naturals bits = mix(unit + key) >> 8;
        const Vector uniform = __builtin_convertvector(reinterpret_cast<Integers>(bits), Vector);
        share.v[i] = uniform * 0x1p-24f < Vector{} + chance ? Vector{} + 1.0f : Vector{};
    }
    return share;
}

inline bool any(const Variant& v) {
    return v.mask || v.peephole || v.zone_h > 0 || v.zone_c > 0 || v.coupled;
}

// All or nothing to the bit, a part by weight.
CATENA_INLINE Row blend(Row share, Row former, Row fresh) {
    Row r;
    CATENA_EACH(i) {
        const Vector all = Vector{} + 1.0f, part = fresh.v[i] + share.v[i] * (former.v[i] - fresh.v[i]);
        r.v[i] = share.v[i] == all ? former.v[i] : share.v[i] == Vector{} ? fresh.v[i] : part;
    }
    return r;
}

}  // namespace catena::CATENA_ARCH
