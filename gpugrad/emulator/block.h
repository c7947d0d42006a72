// The threads of one block: each is a fiber that runs until it waits or ends, in an order drawn from a seed.
//
// A thread runs alone until its next barrier, so a missing barrier shows: the thread reads values that are not yet
// written, or overwrites values that others still have to read.

#pragma once

#include <setjmp.h>
#include <stdarg.h>

#include <bit>
#include <map>
#include <memory>
#include <random>

#include "fiber.h"
#include "memory.h"
#include "runtime.h"

namespace emulator {

constexpr int LANES = 32;

using Kernel = void (*)(const uint64_t* arguments);

enum class State { ready, barrier, together, done };

struct Thread {
    Fiber fiber;
    Index index;
    State state;
    // What the thread waits for.
    Place place;
    Combine combine;
    int predicate;  // of a barrier; after it, the combined result
    Together what;
    unsigned mask;
    const void* in;
    void* out;

    struct Copy {
        void* to;
        unsigned char bytes[16];
        unsigned size;
        int group;
    };
    std::vector<Copy> copies;  // pending asynchronous copies
    int groups;                // committed groups
};

// Runs the blocks of one host thread. The static shared memory of a kernel is allocated at its first use and kept.
class Block {
public:
    Index index, size, grid;
    Thread* current = nullptr;  // null between threads: the runtime's own work must not be interrupted
    sigjmp_buf failed;
    char* message;
    size_t message_size;

    void begin_launch(
        Kernel kernel, Index block_size, Index grid_size, size_t dynamic_bytes, uint64_t seed, void (*entry)()) {
        statics = &statics_of[kernel];
        busy = false;
        size = block_size, grid = grid_size, count = size.x * size.y * size.z, this->entry = entry;
        random.seed(seed);
        while (threads.size() < count) threads.push_back(std::make_unique<Thread>());
        if (!dynamic || dynamic->size != dynamic_bytes) dynamic = std::make_unique<Guarded>(dynamic_bytes);
    }

    void run(Index block) {
        index = block;
        for (auto& shared : *statics) poison(shared->data, shared->size);
        poison(dynamic->data, dynamic->size);
        ready.clear();
        alive = count;
        for (unsigned i = 0; i < count; ++i) {
            Thread& t = *threads[i];
            t.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
            t.state = State::ready;
            t.copies.clear();
            t.groups = 0;
            t.fiber.prepare(entry);
            ready.push_back(i);
        }
        while (alive) {
            if (ready.empty()) end_barrier();
            std::swap(ready[random() % ready.size()], ready.back());
            current = threads[ready.back()].get();
            ready.pop_back();
            host.switch_to(current->fiber);
            current = nullptr;
        }
        check_shared_memory();
    }

    void thread_arrived() { Fiber::arrived(host); }

    [[noreturn]] void thread_done() {
        current->state = State::done;
        --alive;
        current->fiber.switch_to(host, true);
        abort();
    }

    int barrier(Combine how, int predicate, Place place) {
        current->state = State::barrier;
        current->combine = how, current->predicate = predicate, current->place = place;
        current->fiber.switch_to(host);
        return current->predicate;
    }

    void together(Together what, unsigned mask, const void* in, void* out, Place place) {
        Thread& self = *current;
        const unsigned id = number(self), lane = id % LANES, first = id - lane;
        const unsigned present = count - first >= LANES ? ~0u : (1u << (count - first)) - 1;
        if (!(mask >> lane & 1)) {
            fail(place, "the mask %#010x of a warp function does not include lane %u, which calls it", mask, lane);
        }
        if (mask & ~present) {
            fail(place, "the mask %#010x of a warp function includes lanes that the block does not have", mask);
        }
        if (what == Together::shuffle) {
            const int source = static_cast<const Shuffle*>(in)->source;
            if (!(mask >> source & 1)) {
                fail(place, "a shuffle reads lane %d, which its mask %#010x does not include", source, mask);
            }
        }
        self.state = State::together;
        self.what = what, self.mask = mask, self.in = in, self.out = out, self.place = place;
        Thread* lanes[LANES] = {};
        bool all_here = true;
        for (int i = 0; i < LANES; ++i) {
            if (!(mask >> i & 1)) continue;
            lanes[i] = threads[first + i].get();
            const Thread& t = *lanes[i];
            all_here &= t.state == State::together && t.what == what && t.mask == mask && t.place.line == place.line &&
                        !strcmp(t.place.file, place.file);
        }
        if (!all_here) {
            current->fiber.switch_to(host);  // the last lane does the work
            return;
        }
        const Busy busy(*this);
        do_together(what, lanes);
        for (int i = 0; i < LANES; ++i) {
            if (!lanes[i]) continue;
            lanes[i]->state = State::ready;
            if (lanes[i] != &self) ready.push_back(first + i);
        }
    }

    // ---- shared memory ----

    void* new_static(size_t bytes) {
        const Busy busy(*this);
        statics->push_back(std::make_unique<Guarded>(bytes));
        poison(statics->back()->data, bytes);
        return statics->back()->data;
    }

    void* dynamic_memory() { return dynamic->data; }

    // Describe the shared array at an address, or return null.
    const char* shared_at(const void* address) const {
        for (const auto& shared : *statics) {
            if (shared->contains(address)) return "a __shared__ array";
        }
        return dynamic && dynamic->contains(address) ? "the dynamic shared memory" : nullptr;
    }

    // True while the runtime changes its own memory: the launch must not be aborted now.
    volatile bool busy = false;

    bool overflowed(const void* address) const { return current && current->fiber.holds_guard(address); }

    unsigned number(const Thread& t) const { return t.index.x + size.x * (t.index.y + size.y * t.index.z); }

    // ---- asynchronous copies ----

    void copy_async(void* to, const void* from, unsigned bytes, bool valid) {
        const Busy busy(*this);
        Thread::Copy copy{to, {}, bytes, current->groups};
        if (valid) memcpy(copy.bytes, from, bytes);
        poison(to, bytes);
        current->copies.push_back(copy);
    }

    void copy_commit() { ++current->groups; }

    void copy_wait(int pending) {
        const Busy busy(*this);
        std::vector<Thread::Copy>& copies = current->copies;
        const int arrived = current->groups - pending;  // all groups before this one have arrived
        const auto has_arrived = [&](const Thread::Copy& copy) {
            if (copy.group >= arrived) return false;
            memcpy(copy.to, copy.bytes, copy.size);
            return true;
        };
        copies.erase(std::remove_if(copies.begin(), copies.end(), has_arrived), copies.end());
    }

    // ---- faults ----

    // Abort the launch with this message and its location.
    [[noreturn]] __attribute__((format(printf, 3, 4))) void fail(Place place, const char* format, ...) {
        va_list values;
        va_start(values, format);
        int n = vsnprintf(message, message_size, format, values);
        va_end(values);
        n += snprintf(message + n, message_size - n, " (block %u, %u, %u", index.x, index.y, index.z);
        if (current) {
            const Index i = current->index;
            n += snprintf(message + n, message_size - n, ", thread %u, %u, %u", i.x, i.y, i.z);
        }
        if (place.file) {
            const char* name = strrchr(place.file, '/');
            n += snprintf(message + n, message_size - n, ", %s:%d", name ? name + 1 : place.file, place.line);
        }
        snprintf(message + n, message_size - n, ")");
        siglongjmp(failed, 1);
    }

private:
    struct Busy {
        explicit Busy(Block& block) : block(block) { block.busy = true; }
        ~Busy() { block.busy = false; }
        Block& block;
    };

    // No thread can continue: either all are at one barrier, or the kernel has a fault.
    void end_barrier() {
        Thread* first = nullptr;
        unsigned waiting = 0, ones = 0;
        for (unsigned i = 0; i < count; ++i) {
            Thread& t = *threads[i];
            if (t.state == State::together) stuck(t);
            if (t.state != State::barrier) continue;
            if (!first) first = &t;
            current = &t;
            if (t.place.line != first->place.line || strcmp(t.place.file, first->place.file)) {
                fail(t.place, "threads of one block wait at different barriers, others at line %d", first->place.line);
            }
            ++waiting;
            ones += t.predicate != 0;
        }
        current = first;
        if (waiting < count) {
            const char* format = "%u of the block's %u threads wait at a barrier that the others never reach";
            fail(first->place, format, waiting, count);
        }
        for (unsigned i = 0; i < count; ++i) {
            Thread& t = *threads[i];
            t.predicate = t.combine == Combine::count ? ones : t.combine == Combine::all ? ones == count : ones > 0;
            t.state = State::ready;
            ready.push_back(i);
        }
    }

    [[noreturn]] void stuck(Thread& t) {
        current = &t;
        const unsigned first = number(t) / LANES * LANES;
        for (int i = 0; i < LANES; ++i) {
            if (!(t.mask >> i & 1)) continue;
            const Thread& other = *threads[first + i];
            const char* does = other.state == State::done      ? "has ended"
                               : other.state == State::barrier ? "waits at a __syncthreads"
                               : other.what != t.what || other.mask != t.mask || other.place.line != t.place.line
                                   ? "waits at another warp function"
                                   : nullptr;
            if (!does) continue;
            fail(t.place, "a warp function waits for lane %d, which its mask %#010x includes but which %s", i, t.mask, does);
        }
        fail(t.place, "a warp function waits forever");
    }

    void do_together(Together what, Thread* (&lanes)[LANES]) {
        switch (what) {
            case Together::sync:
                return;
            case Together::shuffle: {
                unsigned long long values[LANES];
                for (int i = 0; i < LANES; ++i) {
                    if (lanes[i]) values[i] = static_cast<const Shuffle*>(lanes[i]->in)->value;
                }
                for (int i = 0; i < LANES; ++i) {
                    if (lanes[i]) memcpy(lanes[i]->out, &values[static_cast<const Shuffle*>(lanes[i]->in)->source], 8);
                }
                return;
            }
            case Together::mma_tf32:
                return multiply<8>(lanes, [](const unsigned* words, int i) { return std::bit_cast<float>(words[i]); });
            case Together::mma_bf16:
                return multiply<16>(lanes, [](const unsigned* words, int i) {
                    return std::bit_cast<float>(words[i / 2] << (i % 2 ? 0 : 16) & 0xffff0000u);
                });
            default:
                reduce(what, lanes);
        }
    }

    static void reduce(Together what, Thread* (&lanes)[LANES]) {
        unsigned total = 0;
        bool first = true;
        for (int i = 0; i < LANES; ++i) {
            if (!lanes[i]) continue;
            unsigned v;
            memcpy(&v, lanes[i]->in, 4);
            if (what == Together::vote) v = v ? 1u << i : 0;
            const int s = static_cast<int>(v), t = static_cast<int>(total);
            switch (what) {
                case Together::add: total += v; break;
                case Together::vote: case Together::disjunction: total |= v; break;
                case Together::exclusive: total ^= v; break;
                case Together::conjunction: total = first ? v : total & v; break;
                case Together::minimum: total = first ? v : std::min(s, t); break;
                case Together::maximum: total = first ? v : std::max(s, t); break;
                case Together::least: total = first ? v : std::min(v, total); break;
                default: total = first ? v : std::max(v, total);
            }
            first = false;
        }
        for (int i = 0; i < LANES; ++i) {
            if (lanes[i]) memcpy(lanes[i]->out, &total, 4);
        }
    }

    // Compute d += a·b with the fragment layout of gpugrad.cuh: `number(words, i)` is the i-th number of a lane's part
    // of a row of a, or of a column of b.
    template <int DEPTH, typename Number>
    static void multiply(Thread* (&lanes)[LANES], Number number) {
        constexpr int NEAR = DEPTH / 8;  // consecutive terms that a lane stores in one word
        float a[16][DEPTH], b[DEPTH][8];
        const auto matrices = [&](int lane) { return static_cast<const Matrices*>(lanes[lane]->in); };
        for (int lane = 0; lane < LANES; ++lane) {
            const int g = lane / 4, t = lane % 4;
            for (int i = 0; i < 2 * NEAR; ++i) {
                const int k = t * NEAR + i % NEAR + i / NEAR * DEPTH / 2;
                const int half = i / NEAR, near = i % NEAR;  // words 0 and 1 hold the first half of the terms
                a[g][k] = number(matrices(lane)->a + 2 * half, near);
                a[g + 8][k] = number(matrices(lane)->a + 2 * half + 1, near);
                b[k][g] = number(matrices(lane)->b + half, near);
            }
        }
        for (int lane = 0; lane < LANES; ++lane) {
            float* d = matrices(lane)->d;
            for (int i = 0; i < 4; ++i) {
                const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
                for (int k = 0; k < DEPTH; ++k) d[i] = __builtin_fmaf(a[row][k], b[k][column], d[i]);
            }
        }
    }

    void check_shared_memory() {
        long offset;
        for (const auto& shared : *statics) {
            if (shared->intact(offset)) continue;
            fail({}, "wrote at byte %ld of a __shared__ array, which has %zu bytes", offset, shared->size);
        }
        if (dynamic->intact(offset)) return;
        fail({}, "wrote at byte %ld of the dynamic shared memory, which has %zu bytes", offset, dynamic->size);
    }

    unsigned count = 0, alive = 0;
    void (*entry)() = nullptr;
    std::minstd_rand random;
    std::vector<std::unique_ptr<Thread>> threads;
    std::vector<unsigned> ready;
    std::map<Kernel, std::vector<std::unique_ptr<Guarded>>> statics_of;
    std::vector<std::unique_ptr<Guarded>>* statics = nullptr;  // those of the running kernel
    std::unique_ptr<Guarded> dynamic;
    Fiber host;
};

}  // namespace emulator
