"""A compiled loop with its arguments as two addresses, so that a thread can run a part of it without the interpreter.

    function, arguments = outline(loop, arrays, rest, 0, memory)
    call(function, arguments, start, stop, scratch)  # loop(*(array[start:stop] for array in arrays), *rest)

The arguments are written to `memory`, or lie on the stack of the function that outlines if that is 0: then it must not
return before the last call has. Compilers do the same for the parallel loops of OpenMP.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .atomics import INT64

# Of an outlined loop: address of the arguments, first row, row after the last, address of scratch.
ENTRY = ir.FunctionType(ir.VoidType(), [INT64] * 4)
MEMORY = 1024  # bytes that arguments take at most


@intrinsic(prefer_literal=True)
def outline(typing, loop, arrays, rest, told, memory):
    """(address of a compiled function, address of its arguments); `loop` and `told` must be globals.

    With `told` 1 the number of the first row goes between the arrays and the rest, with 2 the address of scratch too.
    """
    given = (*arrays, *[types.int64] * told.literal_value, *rest)
    loop.get_call_type(typing, given, {})  # compiles it
    compiled = loop.dispatcher.overloads[given]

    def generate(context, builder, signature, arguments):
        context.active_code_library.add_linking_library(compiled.library)
        _, arrays_value, rest_value, _, memory = arguments
        values = cgutils.unpack_tuple(builder, arrays_value) + cgutils.unpack_tuple(builder, rest_value)
        given = context.make_tuple(builder, types.Tuple((*arrays, *rest)), values)
        assert context.get_abi_sizeof(given.type) <= MEMORY, f"{loop} has too many arguments"
        stack = cgutils.alloca_once(builder, given.type)
        on_stack = builder.icmp_signed("==", memory, INT64(0))
        kept = builder.select(on_stack, stack, builder.inttoptr(memory, stack.type))
        builder.store(given, kept).align = 8
        function = _entry(context, builder.module, compiled, arrays, rest, kept.type)
        return context.make_tuple(
            builder, signature.return_type, [builder.ptrtoint(pointer, INT64) for pointer in (function, kept)]
        )

    return types.UniTuple(types.int64, 2)(loop, arrays, rest, told, memory), generate


@intrinsic
def call(typing, function, arguments, start, stop, scratch):
    """Run rows start to stop of what was outlined. The loops of this package raise nothing, and none is looked for."""

    def generate(context, builder, signature, values):
        builder.call(builder.inttoptr(values[0], ENTRY.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


def _entry(context, module, compiled, arrays, rest, kept_type):
    """The function that reads the kept arguments, cuts rows out of the arrays and runs the loop."""
    function = ir.Function(module, ENTRY, module.get_unique_name("entry"))
    function.linkage = "internal"
    kept, start, stop, scratch = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    values = cgutils.unpack_tuple(builder, builder.load(builder.inttoptr(kept, kept_type)))
    cut = [_borrowed(context, builder, t, v, start, stop) for t, v in zip(arrays, values, strict=False)]
    whole = [_borrowed(context, builder, t, v) for t, v in zip(rest, values[len(arrays) :], strict=True)]
    told = (start, scratch)[: len(compiled.signature.args) - len(values)]
    context.call_internal_no_propagate(builder, compiled.fndesc, compiled.signature, [*cut, *told, *whole])
    builder.ret_void()
    return function


def _borrowed(context, builder, kind, value, start=None, stop=None):
    """An array that owns nothing, its rows from start to stop, or all; another value as it is."""
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo, array.parent = (ir.Constant(field.type, None) for field in (array.meminfo, array.parent))
    if start is not None:
        rows, stride = builder.extract_value(array.shape, 0), builder.extract_value(array.strides, 0)
        offset = builder.mul(start, stride)
        array.data = builder.inttoptr(builder.add(builder.ptrtoint(array.data, INT64), offset), array.data.type)
        array.nitems = builder.mul(builder.sub(stop, start), builder.sdiv(array.nitems, rows))
        array.shape = builder.insert_value(array.shape, builder.sub(stop, start), 0)
    return array._getvalue()
