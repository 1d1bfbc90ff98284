// A team of threads for the length of one call, and the barrier its members meet at.
//
// Where PyTorch has loaded an OpenMP runtime, the team is that runtime's own: a second pool would
// fight the first one for the same cores, since both wait by spinning.
#pragma once

#include <atomic>

namespace catena {

class Barrier {
public:
    explicit Barrier(int members) : members_(members) {}
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

    // Returns when all members have come; what each wrote before is then seen by all.
    void wait();

private:
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<int> phase_{0};
    int members_;
};

struct Member {
    int index, count;  // which of how many
    Barrier* barrier;

    void wait() const;
};

using Work = void (*)(void* context, const Member& member);

// Runs `work` on up to `threads` threads at once, the caller's among them.
void run_team(int threads, Work work, void* context);

// "openmp" or "threads": what carries a team of more than one.
const char* team_kind();

}  // namespace catena
