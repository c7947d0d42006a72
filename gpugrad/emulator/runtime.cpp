// A launch in the emulator: distribute the blocks over host threads, catch faults and describe them.

#include "runtime.h"

#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>

#include "block.h"

using namespace emulator;

namespace {

const int TIME_IS_UP = SIGRTMIN + 6;  // a signal with no other use
const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, TIME_IS_UP};

struct Launch {
    Kernel kernel;
    Index grid, block;
    uint64_t dynamic_bytes, seed;
    double seconds;  // time limit; 0: none
    const Argument* arguments;
    const uint64_t* slots;
    const Arrays* arrays;
    uint64_t blocks, stride, offset;  // order: the i-th block to run is (i · stride + offset) % blocks
    std::atomic<uint64_t> next{0};
    std::atomic<bool> stop{false};
};

thread_local Block block;
thread_local Launch* launch = nullptr;

void run_thread() {
    block.thread_arrived();
    launch->kernel(launch->slots);
    block.thread_done();
}

// ---- faults ----

// Describe an access by the element of the nearest array: "reads element 4096 of argument 2, which has 4096 elements".
// The caller replaces "argument 2" by the parameter's name. `offset` counts bytes from the start of the range.
void describe_element(
    const char* verb, const Argument* arguments, const Arrays::Range& range, int64_t offset, char* text, size_t size) {
    int nearest = range.members.front();
    for (int i : range.members) {
        const int64_t begins = arguments[i].value - range.begin;
        if (begins <= std::max<int64_t>(offset, 0)) nearest = i;
    }
    const Argument& argument = arguments[nearest];
    const long long width = std::max(argument.element_bytes, 1), count = argument.bytes / width;
    const long long within = offset - static_cast<int64_t>(argument.value - range.begin);
    const long long element = within >= 0 ? within / width : -((-within + width - 1) / width);
    const int n = snprintf(text, size, "%s element %lld of argument %d, ", verb, element, nearest);
    if (element < 0) {
        snprintf(text + n, size - n, "before its first element");
    } else if (element >= count) {
        snprintf(text + n, size - n, "which has %lld element%s", count, count == 1 ? "" : "s");
    } else {
        snprintf(text + n, size - n, "which the kernel declares const");
    }
}

void describe_access(const char* verb, const void* address, char* text, size_t size) {
    for (const auto& range : launch->arrays->ranges) {
        if (!range.memory.contains(address)) continue;
        const int64_t offset = static_cast<const char*>(address) - range.memory.data;
        return describe_element(verb, launch->arguments, range, offset, text, size);
    }
    if (const char* shared = block.shared_at(address)) {
        snprintf(text, size, "%s memory outside %s", verb, shared);
    } else if (reinterpret_cast<uint64_t>(address) < PAGE_SIZE) {
        snprintf(text, size, "%s memory through a null pointer", verb);
    } else {
        snprintf(text, size, "%s the address %p, which belongs to no argument", verb, address);
    }
}

void on_signal(int signal, siginfo_t* info, void* context) {
    if (signal == TIME_IS_UP && (!launch || !block.current || block.busy)) return;  // the timer repeats
    if (!launch || !block.current) {  // not raised by a kernel
        ::signal(signal, SIG_DFL);
        raise(signal);
        return;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    if (signal == TIME_IS_UP) block.fail({}, "still running after %g seconds", launch->seconds);
    if (signal == SIGFPE) block.fail({}, "divides an integer by zero");
    if (signal == SIGILL || signal == SIGTRAP) {
        block.fail({}, "undefined behaviour: a misaligned access, an index out of the bounds of an array in registers "
                       "or shared memory, an integer overflow, an invalid shift, or a division by zero");
    }
    if (block.overflowed(info->si_addr)) block.fail({}, "a thread's stack overflowed");
    const char* verb = "accesses";
#if defined(__x86_64__)
    verb = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2 ? "writes" : "reads";
#endif
    (void)context;
    char text[200];
    describe_access(verb, info->si_addr, text, sizeof text);
    block.fail({}, "%s", text);
}

// Installs the emulator's signal handlers for its lifetime.
class Handlers {
public:
    Handlers() {
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (size_t i = 0; i < std::size(SIGNALS); ++i) sigaction(SIGNALS[i], &action, &before[i]);
    }
    ~Handlers() {
        for (size_t i = 0; i < std::size(SIGNALS); ++i) sigaction(SIGNALS[i], &before[i], nullptr);
    }

private:
    struct sigaction before[std::size(SIGNALS)];
};

// A signal stack for this host thread, since the fiber's own stack may have overflowed, and a time limit.
class Watch {
public:
    explicit Watch(double seconds) {
        static thread_local std::unique_ptr<char[]> memory(new char[STACK]);
        stack_t stack = {};
        stack.ss_sp = memory.get();
        stack.ss_size = STACK;
        sigaltstack(&stack, &before);
        sigevent event = {};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = TIME_IS_UP;
        event._sigev_un._tid = gettid();
        timed = seconds > 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
        if (timed) {
            itimerspec limit = {};
            limit.it_value.tv_sec = static_cast<time_t>(seconds);
            limit.it_value.tv_nsec = static_cast<long>((seconds - static_cast<double>(limit.it_value.tv_sec)) * 1e9);
            limit.it_interval.tv_nsec = 1000000;
            timer_settime(timer, 0, &limit, nullptr);
        }
    }
    ~Watch() {
        if (timed) timer_delete(timer);
        sigaltstack(&before, nullptr);
    }

private:
    stack_t before;
    timer_t timer;
    bool timed;
};

// ---- a host thread ----

bool run_blocks(Launch& work, unsigned worker, char* message, size_t size) {
    Watch watch(work.seconds);
    launch = &work;
    block.message = message, block.message_size = size;
    if (sigsetjmp(block.failed, 1) == 0) {
        block.begin_launch(
            work.kernel, work.block, work.grid, work.dynamic_bytes, work.seed * 2654435761u + worker + 1, run_thread);
        while (!work.stop) {
            const uint64_t i = work.next++;
            if (i >= work.blocks) break;
            const uint64_t b = (i * work.stride + work.offset) % work.blocks;
            const unsigned x = b % work.grid.x, y = b / work.grid.x % work.grid.y, z = b / work.grid.x / work.grid.y;
            block.run({x, y, z});
        }
    }
    launch = nullptr;
    block.current = nullptr;
    work.stop = work.stop || message[0];
    return !message[0];
}

}  // namespace

// Run a launch; return 0, or 1 with the reason in `message`.
EMULATOR_API int emulator_launch(
    Kernel kernel, const unsigned* sizes, uint64_t dynamic_bytes, const Argument* arguments, int count, uint64_t seed,
    unsigned workers, double seconds, char* message, size_t message_size) {
    std::vector<uint64_t> slots(count + 1);
    const Arrays arrays(arguments, count, slots.data());
    Launch work;
    work.kernel = kernel;
    work.grid = {sizes[0], sizes[1], sizes[2]}, work.block = {sizes[3], sizes[4], sizes[5]};
    work.dynamic_bytes = dynamic_bytes, work.seed = seed, work.seconds = seconds;
    work.arguments = arguments, work.slots = slots.data(), work.arrays = &arrays;
    work.blocks = static_cast<uint64_t>(sizes[0]) * sizes[1] * sizes[2];
    work.offset = seed % work.blocks;
    work.stride = work.blocks / 2 + seed % 7 + 1;
    while (std::gcd(work.stride, work.blocks) != 1) ++work.stride;
    message[0] = 0;

    const Handlers handlers;
    workers = static_cast<unsigned>(std::min<uint64_t>(workers, work.blocks));
    std::vector<std::vector<char>> messages(workers, std::vector<char>(message_size));
    std::vector<std::thread> others;
    for (unsigned i = 1; i < workers; ++i) {
        others.emplace_back([&, i] { run_blocks(work, i, messages[i].data(), message_size); });
    }
    run_blocks(work, 0, messages[0].data(), message_size);
    for (std::thread& other : others) other.join();
    for (const auto& text : messages) {
        if (text[0] && !message[0]) memcpy(message, text.data(), message_size);
    }
    long offset;
    for (const auto& range : arrays.ranges) {
        if (!message[0] && range.writable && !range.memory.intact(offset)) {
            describe_element("wrote", arguments, range, offset, message, message_size);
        }
    }
    if (message[0]) return 1;
    arrays.copy_back();
    return 0;
}

// ---- functions that device code calls ----

Index emulator_thread_index() { return block.current->index; }
Index emulator_block_index() { return block.index; }
Index emulator_block_size() { return block.size; }
Index emulator_grid_size() { return block.grid; }
unsigned emulator_lane() { return block.number(*block.current) % LANES; }

int emulator_barrier(Combine how, int predicate, Place place) { return block.barrier(how, predicate, place); }
void emulator_together(Together what, unsigned mask, const void* in, void* out, Place place) {
    block.together(what, mask, in, out, place);
}

void* emulator_static_shared(unsigned long size) { return block.new_static(size); }
void* emulator_dynamic_shared() { return block.dynamic_memory(); }

void emulator_copy_async(void* shared, const void* global, unsigned size, bool valid) {
    block.copy_async(shared, global, size, valid);
}
void emulator_copy_commit() { block.copy_commit(); }
void emulator_copy_wait(int pending) { block.copy_wait(pending); }
void emulator_trap(Place place) { block.fail(place, "__trap() was called"); }

namespace {

template <typename T, typename Signed>
T atomic(void* address, Atomic what, T a, T b) {
    T* p = static_cast<T*>(address);
    T old = __atomic_load_n(p, __ATOMIC_SEQ_CST), next;
    do {
        const Signed sa = static_cast<Signed>(a), so = static_cast<Signed>(old);
        switch (what) {
            case Atomic::add: next = old + a; break;
            case Atomic::minimum: next = std::min(sa, so); break;
            case Atomic::maximum: next = std::max(sa, so); break;
            case Atomic::least: next = std::min(a, old); break;
            case Atomic::most: next = std::max(a, old); break;
            case Atomic::conjunction: next = old & a; break;
            case Atomic::disjunction: next = old | a; break;
            case Atomic::exclusive: next = old ^ a; break;
            case Atomic::exchange: next = a; break;
            case Atomic::compare: next = old == a ? b : old; break;
            case Atomic::increment: next = old >= a ? 0 : old + 1; break;
            default: next = old == 0 || old > a ? a : old - 1;  // decrement
        }
    } while (!__atomic_compare_exchange_n(p, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return old;
}

}  // namespace

unsigned emulator_atomic32(void* p, Atomic what, unsigned a, unsigned b) {
    return atomic<unsigned, int>(p, what, a, b);
}
unsigned long long emulator_atomic64(void* p, Atomic what, unsigned long long a, unsigned long long b) {
    return atomic<unsigned long long, long long>(p, what, a, b);
}
