// The functions of the emulator that compiled device code calls. The runtime (runtime.cpp) is a separate shared object,
// loaded before the kernels. It includes no standard header: device code must see only the names that NVRTC provides.

#pragma once

#define EMULATOR_API extern "C" __attribute__((visibility("default")))

namespace emulator {

struct Index {
    unsigned x, y, z;
};

// The source location of a call, filled in by default arguments of the built-in functions.
struct Place {
    const char* file;
    int line;
};

// Collective operations of a warp. Each lane passes `in` and receives `out`.
enum class Together : int {
    sync,                                                // nothing
    shuffle,                                             // in Shuffle, out 8 bytes: the value of lane `source`
    vote,                                                // in int, out unsigned: one bit per lane, set if its int is not 0
    add, minimum, maximum, least, most, conjunction, disjunction, exclusive,  // in unsigned, out unsigned
    mma_tf32, mma_bf16,                                  // in Matrices, no out: accumulates into d
};

struct Shuffle {
    unsigned long long value;
    int source;  // lane
};

struct Matrices {
    float* d;
    const unsigned *a, *b;
};

enum class Atomic : int {
    add, minimum, maximum, least, most, conjunction, disjunction, exclusive, exchange, compare, increment, decrement
};

// How a barrier combines the predicates of the threads.
enum class Combine : int { none, count, all, any };

}  // namespace emulator

// The indices of a thread never change: `const` lets the compiler call once.
EMULATOR_API emulator::Index emulator_thread_index() __attribute__((const));
EMULATOR_API emulator::Index emulator_block_index() __attribute__((const));
EMULATOR_API emulator::Index emulator_block_size() __attribute__((const));
EMULATOR_API emulator::Index emulator_grid_size() __attribute__((const));

EMULATOR_API int emulator_barrier(emulator::Combine how, int predicate, emulator::Place place);
EMULATOR_API void emulator_together(
    emulator::Together what, unsigned mask, const void* in, void* out, emulator::Place place);
EMULATOR_API unsigned emulator_lane() __attribute__((const));

EMULATOR_API void* emulator_static_shared(unsigned long size);
EMULATOR_API void* emulator_dynamic_shared();

EMULATOR_API unsigned emulator_atomic32(void* p, emulator::Atomic what, unsigned a, unsigned b);
EMULATOR_API unsigned long long emulator_atomic64(
    void* p, emulator::Atomic what, unsigned long long a, unsigned long long b);

EMULATOR_API void emulator_copy_async(void* shared, const void* global, unsigned size, bool valid);
EMULATOR_API void emulator_copy_commit();
EMULATOR_API void emulator_copy_wait(int pending);

EMULATOR_API void emulator_trap(emulator::Place place) __attribute__((noreturn));
