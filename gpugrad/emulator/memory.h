// Memory that faults past the end of an array, and patterns in unwritten memory.

#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace emulator {

constexpr size_t PAGE_SIZE = 4096;
constexpr size_t SLACK = 16;  // alignment that an array keeps; it ends fewer bytes than this before the guard
constexpr size_t GUARD = 1 << 20;  // inaccessible bytes on each side

// The pattern between an array and its guards. As a float it is a signalling NaN, which arithmetic changes, so both
// reading it and writing back a result computed from it are detected.
inline unsigned char mark(const void* address) {
    constexpr unsigned char BYTES[4] = {0xa5, 0xa5, 0xbf, 0x7f};
    return BYTES[reinterpret_cast<uintptr_t>(address) % 4];
}

// As a float this word is a NaN; as an integer it is far from any valid index.
constexpr uint32_t POISON = 0x7fc0dead;

inline void poison(void* p, size_t size) {
    char* bytes = static_cast<char*>(p);
    for (size_t i = 0; i < size; i += 4) memcpy(bytes + i, &POISON, std::min<size_t>(4, size - i));
}

// `size` bytes between two inaccessible guards; they end where the second guard begins, up to alignment.
class Guarded {
public:
    Guarded(size_t size, size_t address_modulo_slack = 0) : size(size) {
        const size_t slack = (SLACK - (size + address_modulo_slack) % SLACK) % SLACK;
        inner = (size + slack + SLACK + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
        base = static_cast<char*>(mmap(
            nullptr, inner + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (base == MAP_FAILED) {
            perror("gpugrad emulator: mmap");
            abort();
        }
        mprotect(first(), inner, PROT_READ | PROT_WRITE);
        data = first() + inner - slack - size;
        for (char* p = first(); p < data; ++p) *p = mark(p);
        for (char* p = data + size; p < data + size + slack; ++p) *p = mark(p);
    }
    Guarded(Guarded&& other) : size(other.size), data(other.data), base(other.base), inner(other.inner) {
        other.base = nullptr;
    }
    Guarded(const Guarded&) = delete;
    ~Guarded() {
        if (base) munmap(base, inner + 2 * GUARD);
    }

    void make_read_only() { mprotect(first(), inner, PROT_READ); }

    // Return whether the pattern around the data is unchanged; if not, set the offset of the first change.
    bool intact(long& offset) const {
        for (const char* p = first(); p < first() + inner; ++p) {
            if (p == data) p += size;
            if (p < first() + inner && static_cast<unsigned char>(*p) != mark(p)) {
                offset = p - data;
                return false;
            }
        }
        return true;
    }

    bool contains(const void* address) const {  // guards included
        return address >= base && address < base + inner + 2 * GUARD;
    }

    const size_t size;
    char* data;

private:
    char* first() const { return base + GUARD; }

    char* base;
    size_t inner;  // bytes between the guards
};

// ---- the arguments of a launch ----

struct Argument {
    uint64_t value;         // a pointer, or the bits of a scalar
    uint64_t bytes;         // size of the array; 0 for a null pointer and for a scalar
    int32_t kind;           // SCALAR, ARRAY or CONST_ARRAY
    int32_t element_bytes;  // size of an element of the array
};
enum { SCALAR, ARRAY, CONST_ARRAY };

// Copies of the arrays of a launch. Overlapping arrays are copied together; arrays that only const parameters point to
// are write-protected.
class Arrays {
public:
    Arrays(const Argument* arguments, int count, uint64_t* slots) {
        std::vector<int> order;
        for (int i = 0; i < count; ++i) {
            slots[i] = arguments[i].value;
            if (arguments[i].kind != SCALAR && arguments[i].bytes) order.push_back(i);
        }
        std::sort(order.begin(), order.end(), [&](int i, int j) { return arguments[i].value < arguments[j].value; });
        for (size_t i = 0; i < order.size();) {
            const uint64_t begin = arguments[order[i]].value;
            uint64_t end = begin;
            bool writable = false;
            size_t next = i;
            for (; next < order.size() && (next == i || arguments[order[next]].value < end); ++next) {
                const Argument& a = arguments[order[next]];
                end = std::max(end, a.value + a.bytes);
                writable |= a.kind == ARRAY;
            }
            ranges.push_back(Range{begin, writable, Guarded(end - begin, begin % SLACK), {}});
            Range& range = ranges.back();
            memcpy(range.memory.data, reinterpret_cast<const void*>(begin), end - begin);
            if (!writable) range.memory.make_read_only();
            for (; i < next; ++i) {
                slots[order[i]] = reinterpret_cast<uint64_t>(range.memory.data) + (arguments[order[i]].value - begin);
                range.members.push_back(order[i]);
            }
        }
    }

    void copy_back() const {
        for (const Range& range : ranges) {
            if (range.writable) memcpy(reinterpret_cast<void*>(range.begin), range.memory.data, range.memory.size);
        }
    }

    struct Range {
        uint64_t begin;
        bool writable;
        Guarded memory;
        std::vector<int> members;  // the arguments in this range
    };

    std::vector<Range> ranges;
};

}  // namespace emulator
