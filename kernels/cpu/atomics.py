"""Atomic operations on words of shared memory, and a pause for loops that wait; Numba has neither.

A word is an int64 in memory, given by its address. `load` acquires, the others release as well.
"""

import os

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .private import INT64, void

INT32 = ir.IntType(32)

# For each architecture the LLVM intrinsic that pauses, and its arguments.
PAUSES = {"x86_64": ("llvm.x86.sse2.pause",), "aarch64": ("llvm.aarch64.hint", 1), "arm64": ("llvm.aarch64.hint", 1)}


@intrinsic
def load(typing, address):
    """Return a word."""

    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(builder, arguments[0]), "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def store(typing, address, value):
    """Write a word."""

    def generate(context, builder, signature, arguments):
        builder.store_atomic(arguments[1], _pointer(builder, arguments[0]), "seq_cst", 8)
        return void(context)

    return types.void(types.int64, types.int64), generate


@intrinsic
def add(typing, address, value):
    """Add to a word and return its old value."""

    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", _pointer(builder, arguments[0]), arguments[1], "acq_rel")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def replace(typing, address, expected, value):
    """Write a word if it equals `expected`, and return whether it did (compare and exchange)."""

    def generate(context, builder, signature, arguments):
        address, expected, value = arguments
        outcome = builder.cmpxchg(_pointer(builder, address), expected, value, "acq_rel", "acquire")
        return builder.extract_value(outcome, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def pause(typing):
    """Hint to the processor that the surrounding loop waits."""

    def generate(context, builder, signature, arguments):
        architecture = builder.module.triple.partition("-")[0]
        if architecture in PAUSES:
            name, *values = PAUSES[architecture]
            kind = ir.FunctionType(ir.VoidType(), [INT32] * len(values))
            builder.call(declare(builder.module, name, kind), [INT32(value) for value in values])
        return void(context)

    return types.void(), generate


@intrinsic
def give_way(typing):
    """Let the system run another thread that waits for this core, if it can be asked."""

    def generate(context, builder, signature, arguments):
        if hasattr(os, "sched_yield"):
            builder.call(declare(builder.module, "sched_yield", ir.FunctionType(INT32, [])), [])
        return void(context)

    return types.void(), generate


def declare(module, name, kind):
    """Return the function of this name and type that a module declares; declare it if it is missing."""
    return module.globals.get(name) or ir.Function(module, kind, name)


def _pointer(builder, address):
    return builder.inttoptr(address, INT64.as_pointer())
