// Open addressing: a name stands at its hash, or in the first free slot behind it.
#include "names.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace catena {

Names::Names(long count, const std::int64_t* offsets, const char* text)
    : offsets_(offsets), text_(text), slots_(std::bit_ceil(static_cast<std::size_t>(count + count / 3 + 2)), Slot{0, -1}) {
    for (std::int32_t i = 0; i < count; ++i) {
        const std::uint64_t hashed = hash(name(i));
        Slot& slot = const_cast<Slot&>(place(name(i), hashed));
        if (slot.number >= 0) distinct_ = false;
        else slot = {static_cast<std::uint32_t>(hashed >> 32), i};
    }
}

std::uint64_t Names::hash(std::string_view name) {
    constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio
    std::uint64_t state = name.size() * kFactor;
    const auto take = [&](std::uint64_t word) {
        state = (state ^ word) * kFactor;
        state ^= state >> 29;
    };
    const auto word_at = [&](std::size_t at, std::size_t bytes) {
        std::uint64_t word = 0;
        std::memcpy(&word, name.data() + at, bytes);
        return word;
    };
    for (std::size_t at = 0; at + 8 < name.size(); at += 8) take(word_at(at, 8));
    // The last eight bytes again cost less than as many as are left, whose number is not known.
    take(name.size() < 8 ? word_at(0, name.size()) : word_at(name.size() - 8, 8));
    state *= kFactor;
    return state ^ (state >> 32);
}

// Where the name is, or the free slot where it would be.
const Names::Slot& Names::place(std::string_view wanted, std::uint64_t hashed) const {
    const auto mark = static_cast<std::uint32_t>(hashed >> 32);
    for (std::size_t at = hashed >> 8;; ++at) {
        const Slot& slot = slots_[at & (slots_.size() - 1)];
        if (slot.number < 0 || (slot.mark == mark && name(slot.number) == wanted)) return slot;
    }
}

std::int32_t Names::find(std::string_view wanted) const { return place(wanted, hash(wanted)).number; }

void Names::find(const std::string_view* names, long count, std::int32_t* to) const {
    constexpr long kTogether = 32;
    std::uint64_t hashed[kTogether];
    for (long begin = 0; begin < count; begin += kTogether) {
        const long own = std::min(kTogether, count - begin);
        for (long i = 0; i < own; ++i) {
            hashed[i] = hash(names[begin + i]);
            __builtin_prefetch(&slots_[(hashed[i] >> 8) & (slots_.size() - 1)]);
        }
        for (long i = 0; i < own; ++i) {
            const std::int32_t likely = slots_[(hashed[i] >> 8) & (slots_.size() - 1)].number;
            if (likely >= 0) __builtin_prefetch(offsets_ + likely);
        }
        for (long i = 0; i < own; ++i) {
            const std::int32_t likely = slots_[(hashed[i] >> 8) & (slots_.size() - 1)].number;
            if (likely >= 0) __builtin_prefetch(text_ + offsets_[likely]);
        }
        for (long i = 0; i < own; ++i) to[begin + i] = place(names[begin + i], hashed[i]).number;
    }
}

}  // namespace catena
