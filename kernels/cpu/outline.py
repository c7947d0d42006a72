"""Calls of a compiled loop through two addresses, so that a thread can run a part of its rows without the interpreter.

    function, arguments = outline(loop, arrays, scalars, 0, memory)
    call(function, arguments, start, stop, scratch)  # loop(*(array[start:stop] for array in arrays), *scalars)

The arguments are stored in `memory`, or on the caller's stack if that is 0; then the caller must not return before the
last call has. Compilers do the same with the parallel loops of OpenMP. Numba's public `@cfunc` does it too, but only
for one signature at a time: something else would have to store the arguments of a launch, from Python several times
slower, or compiled a second function for each loop (docs/cpu.md has the numbers).
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .private import (
    INT64,
    alloca_once,
    borrow,
    call_compiled,
    compiled_version,
    link,
    make_tuple,
    size_of,
    unpack_tuple,
    void,
)

# Parameters of an outlined loop: address of the arguments, first row, end of the rows, address of the scratch memory.
ENTRY = ir.FunctionType(ir.VoidType(), [INT64] * 4)
MEMORY = 1024  # bytes reserved for the arguments of a loop


@intrinsic(prefer_literal=True)
def outline(typing, loop, arrays, scalars, extras, memory):
    """Return (address of a compiled function, address of its arguments); `loop` and `extras` must be globals.

    With `extras` 1 the loop gets the index of its first row between arrays and scalars, with 2 the address of the
    scratch memory too.
    """
    argument_types = (*arrays, *[types.int64] * extras.literal_value, *scalars)
    compiled = compiled_version(loop, typing, argument_types)

    def generate(context, builder, signature, arguments):
        link(context, compiled)
        _, arrays_value, scalars_value, _, memory = arguments
        values = unpack_tuple(builder, arrays_value) + unpack_tuple(builder, scalars_value)
        packed = make_tuple(context, builder, types.Tuple((*arrays, *scalars)), values)
        assert size_of(context, packed.type) <= MEMORY, f"{loop} has too many arguments"
        stack = alloca_once(builder, packed.type)
        on_stack = builder.icmp_signed("==", memory, INT64(0))
        target = builder.select(on_stack, stack, builder.inttoptr(memory, stack.type))
        builder.store(packed, target).align = 8
        function = _entry(context, builder.module, compiled, arrays, scalars, target.type)
        addresses = [builder.ptrtoint(pointer, INT64) for pointer in (function, target)]
        return make_tuple(context, builder, signature.return_type, addresses)

    return types.UniTuple(types.int64, 2)(loop, arrays, scalars, extras, memory), generate


@intrinsic
def call(typing, function, arguments, start, stop, scratch):
    """Run rows start to stop of an outlined loop. Loops raise nothing, so no error is checked for."""

    def generate(context, builder, signature, values):
        builder.call(builder.inttoptr(values[0], ENTRY.as_pointer()), values[1:])
        return void(context)

    return types.void(*[types.int64] * 5), generate


def _entry(context, module, compiled, arrays, scalars, packed_type):
    """Build the function that loads the arguments, cuts the rows out of the arrays and runs the loop."""
    function = ir.Function(module, ENTRY, module.get_unique_name("entry"))
    function.linkage = "internal"
    function.attributes.add("noinline")  # a copy might fuse other products and sums, and round differently
    address, start, stop, scratch = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    values = unpack_tuple(builder, builder.load(builder.inttoptr(address, packed_type)))
    cut = [borrow(context, builder, t, v, (start, stop)) for t, v in zip(arrays, values, strict=False)]
    whole = [borrow(context, builder, t, v) for t, v in zip(scalars, values[len(arrays) :], strict=True)]
    extras = (start, scratch)[: len(compiled.signature.args) - len(values)]
    call_compiled(context, builder, compiled, [*cut, *extras, *whole])
    builder.ret_void()
    return function
