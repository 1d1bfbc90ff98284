// Items drawn by their shares, and the distinct ones among those an update needs.
#pragma once

#include <cstdint>

namespace catena {

// For each number the first edge above it; where there is none, the last. A guide says where to begin: its
// cell c has the first edge above c / per, or one near it.
struct Draw {
    long count, edges, cells;
    const double* at;           // [count], each at least 0
    const double* edge;         // [edges], rising
    const std::int32_t* guide;  // [cells]
    double per;                 // cells for a unit
    std::int64_t* found;        // [count]
};

void draw(const Draw& call);

// The distinct items among the values that an update reads and the others that it was given.
struct Distinct {
    long values, others, items;
    const std::int64_t *value, *other;  // [values], [others]
    std::uint64_t* marks;               // a bit for each item: none is set before and after
    std::int32_t* number;               // [items]: room
    std::int64_t* found;                // room for [values + others]: the items, rising
    std::int64_t* place;                // [values], which of them each value is
    float* times;                       // room for [values + others]: how often each is among the others
};

// How many there are.
long distinct(const Distinct& call);

}  // namespace catena
