"""What threads that share memory need and Numba does not have: words that are read and written as a whole, and a pause.

A word is an int64 in memory, given by its address. `load` acquires, the others release too.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INT32, INT64 = ir.IntType(32), ir.IntType(64)
PAUSES = {"x86_64": ("llvm.x86.sse2.pause",), "aarch64": ("llvm.aarch64.hint", 1), "arm64": ("llvm.aarch64.hint", 1)}


@intrinsic
def load(typing, address):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(builder, arguments[0]), "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def store(typing, address, value):
    def generate(context, builder, signature, arguments):
        builder.store_atomic(arguments[1], _pointer(builder, arguments[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add(typing, address, value):
    """Add to a word; returns what it was."""

    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", _pointer(builder, arguments[0]), arguments[1], "acq_rel")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def replace(typing, address, expected, value):
    """Write a word that is still `expected`; returns whether it was."""

    def generate(context, builder, signature, arguments):
        address, expected, value = arguments
        outcome = builder.cmpxchg(_pointer(builder, address), expected, value, "acq_rel", "acquire")
        return builder.extract_value(outcome, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def pause(typing):
    """Tell the processor that the loop around this waits."""

    def generate(context, builder, signature, arguments):
        architecture = builder.module.triple.partition("-")[0]
        if architecture in PAUSES:
            name, *given = PAUSES[architecture]
            kind = ir.FunctionType(ir.VoidType(), [INT32] * len(given))
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [INT32(value) for value in given])
        return context.get_dummy_value()

    return types.void(), generate


def _pointer(builder, address):
    return builder.inttoptr(address, INT64.as_pointer())
