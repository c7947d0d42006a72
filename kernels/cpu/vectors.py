"""Code in the vector registers of this processor, for what a compiler does not find by itself in a loop.

Matrices are given by their addresses, strides are bytes, and `like` is a number of their dtype.
"""

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from .atomics import INT32, declare
from .private import INT64, alloca_once_value, array_from_address, for_range, unpack_tuple, void

LINE = 64  # bytes of the cache that come together
MAXIMA = 4  # vectors of maxima side by side: one alone would wait for each comparison

# Bytes of a vector, and the rows and vectors of the tile of `multiply_tile`: its sums fill half of the 32 registers of
# AVX-512 and NEON and 12 of the 16 of AVX2, enough to keep the units busy that multiply and add.
_FEATURES = binding.get_host_cpu_features()
VECTOR, ROWS, VECTORS = (64, 8, 2) if _FEATURES.get("avx512f") else (32, 4, 3) if _FEATURES.get("avx2") else (16, 8, 2)


@intrinsic
def multiply_tile(typing, like, k, a, across, along, b, c, c_stride, narrow, add):
    """c = a·b, or with `add` c += a·b, where a has ROWS rows and k columns and b is k rows of VECTORS vectors.

    across, along: the strides of a, from row to row and from column to column. The sum over k starts from zero and is
    in order. narrow: only the first vector of each row is computed.
    """

    def generate(context, builder, signature, arguments):
        _, *places, narrow, add = arguments
        code = _Vectors(builder, context.get_value_type(like))
        with builder.if_else(narrow) as (one, all_of_them):
            with one:
                code.multiply_tile(1, *places, add)
            with all_of_them:
                code.multiply_tile(VECTORS, *places, add)
        return void(context)

    return types.void(like, *[types.int64] * 7, types.boolean, types.boolean), generate


@intrinsic
def turn_square(typing, like, source, stride, target, target_stride):
    """Write a square, as wide as a vector, with its rows as columns."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        _, source, stride, target, target_stride = arguments
        code.store_all(code.turned(code.load_all(code.lanes, source, stride)), target, target_stride)
        return void(context)

    return types.void(like, *[types.int64] * 4), generate


@intrinsic
def turn_in(typing, like, source, stride, rows, columns, target, target_stride):
    """Write a square, as wide as a vector, with rows as columns, of which only so many rows and columns are read."""

    def generate(context, builder, signature, arguments):
        _, source, stride, rows, columns, target, target_stride = arguments
        code = _Vectors(builder, context.get_value_type(like))
        vectors = code.load_some(source, stride, rows, columns)
        code.store_all(code.turned(vectors), target, target_stride)
        return void(context)

    return types.void(like, *[types.int64] * 6), generate


@intrinsic
def turn_out(typing, like, source, stride, target, target_stride, rows, columns):
    """Write a square, as wide as a vector, with columns as rows, of which only so many rows and columns are written."""

    def generate(context, builder, signature, arguments):
        _, source, stride, target, target_stride, rows, columns = arguments
        code = _Vectors(builder, context.get_value_type(like))
        vectors = code.load_all(code.lanes, source, stride)
        code.store_some(code.turned(vectors), target, target_stride, rows, columns)
        return void(context)

    return types.void(like, *[types.int64] * 6), generate


@intrinsic
def copy_row(typing, like, source, target):
    """Copy VECTORS vectors."""
    return types.void(like, types.int64, types.int64), _copier(lambda code: [code.vector] * VECTORS)


@intrinsic
def copy_column(typing, like, source, target):
    """Copy ROWS numbers."""
    return types.void(like, types.int64, types.int64), _copier(lambda code: [ir.VectorType(code.number, ROWS)])


@intrinsic
def copy_some(typing, like, source, count, target):
    """Write a vector of the numbers that there are, and zeros after them."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        _, source, count, target = arguments
        code.store(code.masked_load(source, code.first(count)), target)
        return void(context)

    return types.void(like, *[types.int64] * 3), generate


@intrinsic
def put_some(typing, like, source, count, target, add):
    """Write so many numbers of a vector, with `add` added to those that are there."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        _, source, count, target, add = arguments
        mask, vector = code.first(count), code.load(source)
        sums = builder.fadd(code.masked_load(target, mask), vector)
        code.masked_store(builder.select(add, sums, vector), target, mask)
        return void(context)

    return types.void(like, *[types.int64] * 3, types.boolean), generate


def _copier(kinds):
    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(signature.args[0]))
        for j, kind in enumerate(kinds(code)):
            source, target = (builder.add(address, INT64(j * VECTOR)) for address in arguments[1:])
            code.store(code.load(source, kind), target)
        return void(context)

    return generate


@intrinsic
def array_at(typing, address, shape, like):
    """A contiguous array of this shape, a tuple, of numbers like `like`, that lies at an address."""
    kind = types.Array(like, len(shape), "C")

    def generate(context, builder, signature, arguments):
        lengths = unpack_tuple(builder, arguments[1])
        return array_from_address(context, builder, kind, arguments[0], lengths)

    return kind(types.int64, types.UniTuple(types.int64, len(shape)), like), generate


@intrinsic
def prefetch(typing, address):
    """Begin to bring the cache line of an address, wherever it may point, for reading."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), INT32, INT32, INT32])
        pointer = builder.inttoptr(arguments[0], kind.args[0])
        function = declare(builder.module, "llvm.prefetch.p0", kind)
        builder.call(function, [pointer, INT32(0), INT32(3), INT32(1)])  # to read, soon, data
        return void(context)

    return types.void(types.int64), generate


@intrinsic
def maximum(typing, like, address, count):
    """The largest of at least MAXIMA vectors of numbers; where some are NaN, any."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        return code.maximum(*arguments[1:])

    return like(like, types.int64, types.int64), generate


@intrinsic
def maxima(typing, like, address, count, stride, target):
    """Write the largest number of each column of a matrix that is a vector wide; where some are NaN, any."""

    def generate(context, builder, signature, arguments):
        _, address, count, stride, target = arguments
        code = _Vectors(builder, context.get_value_type(like))
        largest = alloca_once_value(builder, code.load(address))
        with for_range(builder, count, intp=INT64) as loop:
            row = code.load(builder.add(address, builder.mul(loop.index, stride)))
            builder.store(code.larger(row, builder.load(largest)), largest)
        code.store(builder.load(largest), target)
        return void(context)

    return types.void(like, *[types.int64] * 4), generate


class _Vectors:
    """Builds code over vectors of one type of numbers."""

    def __init__(self, builder, number):
        self.builder, self.number = builder, number
        self.bits = 64 if isinstance(number, ir.DoubleType) else 32
        self.lanes = VECTOR * 8 // self.bits
        self.vector, self.mask = ir.VectorType(number, self.lanes), ir.VectorType(ir.IntType(1), self.lanes)
        self.pointer = self.vector.as_pointer()

    def multiply_tile(self, vectors, k, a, across, along, b, c, c_stride, add):
        builder = self.builder
        to_row = self.places(ROWS, INT64(0), across)
        tile = [(i, j) for i in range(ROWS) for j in range(vectors)]
        before, loop, after = builder.block, builder.append_basic_block("k"), builder.append_basic_block("k.end")
        builder.branch(loop)

        builder.position_at_end(loop)
        left, column, row = (builder.phi(INT64) for _ in range(3))
        sums = {place: builder.phi(self.vector) for place in tile}
        parts = [self.load(builder.add(row, INT64(j * VECTOR))) for j in range(vectors)]
        factors = [self.repeat(self.read(builder.add(column, place))) for place in to_row]
        then = {(i, j): self.multiply_add(factors[i], parts[j], sums[i, j]) for i, j in tile}
        left_then = builder.sub(left, INT64(1))
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        for phi, at_first, afterwards in (
            (left, k, left_then),
            (column, a, builder.add(column, along)),
            (row, b, builder.add(row, INT64(VECTORS * VECTOR))),
            *((sums[place], zero, then[place]) for place in tile),
        ):
            phi.add_incoming(at_first, before)
            phi.add_incoming(afterwards, loop)
        builder.cbranch(builder.icmp_signed(">", left_then, INT64(0)), loop, after)

        builder.position_at_end(after)
        rows = self.places(ROWS, c, c_stride)
        targets = {(i, j): builder.add(rows[i], INT64(j * VECTOR)) for i, j in tile}
        with builder.if_else(add) as (added, written):
            with added:
                for place in tile:
                    self.store(builder.fadd(self.load(targets[place]), then[place]), targets[place])
            with written:
                for place in tile:
                    self.store(then[place], targets[place])

    def maximum(self, address, count):
        builder, step = self.builder, MAXIMA * self.lanes
        last = builder.sub(count, INT64(step))  # the last step takes some of the numbers before it once more
        first = self.load_all(MAXIMA, address, INT64(VECTOR))
        before, loop, after = builder.block, builder.append_basic_block("max"), builder.append_basic_block("max.end")
        builder.branch(loop)

        builder.position_at_end(loop)
        start = builder.phi(INT64)
        found = [builder.phi(self.vector) for _ in first]
        place = builder.add(address, builder.mul(start, INT64(self.bits // 8)))
        then = list(map(self.larger, self.load_all(MAXIMA, place, INT64(VECTOR)), found))
        following = builder.add(start, INT64(step))
        start_then = builder.select(builder.icmp_signed("<", following, last), following, last)
        for phi, at_first, afterwards in ((start, INT64(0), start_then), *zip(found, first, then, strict=True)):
            phi.add_incoming(at_first, before)
            phi.add_incoming(afterwards, loop)
        builder.cbranch(builder.icmp_signed("<", start, last), loop, after)

        builder.position_at_end(after)
        while len(then) > 1:
            then = list(map(self.larger, then[::2], then[1::2]))
        (vector,) = then
        width = self.lanes
        while width > 1:
            width //= 2
            vector = self.larger(vector, self.pick(vector, vector, [i ^ width for i in range(self.lanes)]))
        return builder.extract_element(vector, INT32(0))

    def larger(self, x, y):
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def turned(self, vectors):
        """Merging the first half of all numbers with the second, one from each, makes of the highest bit of a number's
        place the lowest: done once for each bit of the row, the row is counted by the lowest bits, below the column."""
        rows, n = len(vectors), self.lanes
        merged = [i // 2 + n * (i % 2) for i in range(2 * n)]
        for _ in range(rows.bit_length() - 1):
            pairs = zip(vectors[: rows // 2], vectors[rows // 2 :], strict=True)
            vectors = [self.pick(*pair, half) for pair in pairs for half in (merged[:n], merged[n:])]
        return vectors

    def load_all(self, rows, source, stride):
        return [self.load(address) for address in self.places(rows, source, stride)]

    def store_all(self, vectors, target, stride):
        for vector, address in zip(vectors, self.places(len(vectors), target, stride), strict=True):
            self.store(vector, address)

    def load_some(self, source, stride, rows, columns):
        """As many vectors as one has lanes, with zeros for what is not read."""
        masks, places = self.masks(rows, columns), self.places(self.lanes, source, stride)
        return list(map(self.masked_load, places, masks))

    def store_some(self, vectors, target, stride, rows, columns):
        masks, places = self.masks(rows, columns), self.places(self.lanes, target, stride)
        for each in zip(vectors, places, masks, strict=True):
            self.masked_store(*each)

    def masked_load(self, place, mask):
        kind = ir.FunctionType(self.vector, [self.pointer, INT32, self.mask, self.vector])
        zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.masked("load", kind, place, mask, zeros)

    def masked_store(self, vector, place, mask):
        kind = ir.FunctionType(ir.VoidType(), [self.vector, self.pointer, INT32, self.mask])
        self.masked("store", kind, place, mask, vector)

    def masked(self, what, kind, place, mask, vector):
        name = f"llvm.masked.{what}.v{self.lanes}f{self.bits}.p0"
        function = declare(self.builder.module, name, kind)
        where = self.builder.inttoptr(place, self.pointer), INT32(self.bits // 8), mask
        return self.builder.call(function, (*where, vector) if what == "load" else (vector, *where))

    def first(self, count):
        """Which numbers of a vector are among the first so many."""
        numbered = ir.Constant(ir.VectorType(INT64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", numbered, self.repeat(count))

    def masks(self, rows, columns):
        """Of each row of a square, which numbers are among the first rows and columns."""
        inside, outside = self.first(columns), ir.Constant(self.mask, [0] * self.lanes)
        return [
            self.builder.select(self.builder.icmp_signed("<", INT64(i), rows), inside, outside)
            for i in range(self.lanes)
        ]

    def places(self, count, start, stride):
        return [self.builder.add(start, self.builder.mul(stride, INT64(i))) for i in range(count)]

    def multiply_add(self, x, y, z):
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{self.bits}"
        return self.builder.call(declare(self.builder.module, name, kind), [x, y, z])

    def repeat(self, number):
        nothing = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        return self.pick(self.builder.insert_element(nothing, number, INT32(0)), nothing, [0] * self.lanes)

    def pick(self, x, y, places):
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, self.lanes), places))

    def read(self, address):
        return self.builder.load(self.builder.inttoptr(address, self.number.as_pointer()))

    def load(self, address, kind=None):
        value = self.builder.load(self.builder.inttoptr(address, (kind or self.vector).as_pointer()))
        value.align = self.bits // 8
        return value

    def store(self, value, address):
        stored = self.builder.store(value, self.builder.inttoptr(address, value.type.as_pointer()))
        stored.align = self.bits // 8
