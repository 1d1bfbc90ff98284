// A table of distinct names, to find their numbers by.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace catena {

// Names lie one after the other, as Arrow keeps them; they are not copied.
class Names {
public:
    Names(long count, const std::int64_t* offsets, const char* text);

    // A name's number; -1: there is none.
    std::int32_t find(std::string_view name) const;

    // Those of many names, some of them at a time, so that waiting for one does not keep the others.
    void find(const std::string_view* names, long count, std::int32_t* to) const;

    // Whether no name comes twice.
    bool distinct() const { return distinct_; }

private:
    struct Slot {
        std::uint32_t mark;
        std::int32_t number;  // -1: free
    };

    static std::uint64_t hash(std::string_view name);
    std::string_view name(std::int32_t number) const {
        return {text_ + offsets_[number], static_cast<std::size_t>(offsets_[number + 1] - offsets_[number])};
    }
    const Slot& place(std::string_view name, std::uint64_t hashed) const;

    const std::int64_t* offsets_;
    const char* text_;
    std::vector<Slot> slots_;  // a power of two
    bool distinct_ = true;
};

}  // namespace catena
