// One stack per CUDA thread, and the switch between stacks.

#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)

// Save the callee-saved registers on this stack, and restore those on the other stack.
extern "C" void emulator_switch(void** save, void* load);
asm(R"(
.text
.globl emulator_switch
.hidden emulator_switch
emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

#else
#include <ucontext.h>
#endif

namespace emulator {

constexpr size_t STACK = 128 * 1024, PAGE = 4096;

class Fiber {
public:
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber() {
        if (base) munmap(base, STACK + PAGE);
    }

    // Make the next switch_to start with entry(), which must never return. An inaccessible page ends the stack.
    void prepare(void (*entry)()) {
        if (!base) {
            const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
            base = static_cast<char*>(mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, flags, -1, 0));
            if (base == MAP_FAILED) abort();
            mprotect(base, PAGE, PROT_NONE);
        }
#if defined(__x86_64__)
        void** top = reinterpret_cast<void**>(base + PAGE + STACK - 64);
        *--top = nullptr;  // return address of entry(); the stack is aligned as after a call
        *--top = reinterpret_cast<void*>(entry);
        top -= 6;  // the registers
        pointer = top;
#else
        getcontext(&context);
        context.uc_stack.ss_sp = base + PAGE;
        context.uc_stack.ss_size = STACK;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
#endif
    }

    bool holds_guard(const void* address) const {
        return base && address >= base && address < base + PAGE;
    }

    // Switch to another fiber; returns after a switch back.
    void switch_to(Fiber& other, bool for_good = false) {
#if defined(__SANITIZE_ADDRESS__)
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(
            for_good ? nullptr : &fake, other.base ? other.base + PAGE : other.bottom, other.base ? STACK : other.size);
#endif
#if defined(__x86_64__)
        emulator_switch(&pointer, other.pointer);
#else
        swapcontext(&context, &other.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
        (void)for_good;
    }

    // Call first on a new stack, to inform the address sanitizer which stack control came from.
    static void arrived(Fiber& from) {
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.size);
#endif
        (void)from;
    }

private:
    char* base = nullptr;  // null for the host thread's own stack
    const void* bottom = nullptr;
    size_t size = 0;
#if defined(__x86_64__)
    void* pointer = nullptr;
#else
    ucontext_t context;
#endif
};

}  // namespace emulator
