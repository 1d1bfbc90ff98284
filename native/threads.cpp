#include "threads.hpp"

#include <dlfcn.h>
#include <sched.h>

#include <thread>
#include <vector>

namespace catena {
namespace {

// What a compiler calls for `#pragma omp parallel`; both GNU's and LLVM's runtime have it.
using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
using Number = int (*)();

struct OpenMP {
    Parallel parallel = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    Number index = reinterpret_cast<Number>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
    Number count = reinterpret_cast<Number>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));

    bool found() const { return parallel && index && count; }
};

const OpenMP& openmp() {
    static const OpenMP runtime;
    return runtime;
}

struct Call {
    Work work;
    void* context;
    Barrier* barrier;
    int asked;
};

// The runtime may grant fewer threads than were asked for (nested regions, limits). The barrier
// counts those that were asked for, so then one member does all.
void enter(void* data) {
    const Call& call = *static_cast<Call*>(data);
    const int index = openmp().index(), count = openmp().count();
    if (count == call.asked) call.work(call.context, {index, count, call.barrier});
    else if (index == 0) call.work(call.context, {0, 1, nullptr});
}

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

void Barrier::wait() {
    constexpr int kSpins = 4000;  // some tens of microseconds: then somebody else has the core
    const int phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
        arrived_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_release);
        return;
    }
    for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
        if (spins < kSpins) pause();
        else sched_yield();
    }
}

void Member::wait() const {
    if (count > 1) barrier->wait();
}

void run_team(int threads, Work work, void* context) {
    if (threads <= 1) return work(context, {0, 1, nullptr});
    Barrier barrier(threads);
    Call call{work, context, &barrier, threads};
    if (openmp().found()) {
        return openmp().parallel(enter, &call, static_cast<unsigned>(threads), 0);
    }
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) {
        others.emplace_back([&, i] { work(context, {i, threads, &barrier}); });
    }
    work(context, {0, threads, &barrier});
    for (std::thread& other : others) other.join();
}

const char* team_kind() { return openmp().found() ? "openmp" : "threads"; }

}  // namespace catena
