// Room for numbers, at the beginning of a cache line and not set to anything.
#pragma once

#include <memory>
#include <new>

#include "simd.hpp"

namespace catena::CATENA_ARCH {

class Room {
public:
    explicit Room(long count) : at_(static_cast<double*>(::operator new(sizeof(double) * count, kAlign))) {}
    double* get() const { return at_.get(); }

private:
    static constexpr std::align_val_t kAlign{64};
    struct Free {
        void operator()(double* p) const { ::operator delete(p, kAlign); }
    };
    std::unique_ptr<double, Free> at_;
};

}  // namespace catena::CATENA_ARCH
