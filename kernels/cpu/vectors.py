"""Vector instructions of this processor, for tiles of matrices that a compiler does not vectorize on its own.

A matrix is given by its address. Strides are in bytes, and `like` is any number of the matrix's dtype.
"""

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from .atomics import INT32, declare
from .private import INT64, alloca_once_value, array_from_address, for_range, unpack_tuple, void

LINE = 64  # bytes per cache line
MAXIMA = 4  # running maxima in `maximum`, each a vector: with one, each comparison would wait for the last

# Bytes per vector, and the tile of `multiply_tile` in rows and vectors per row. Its sums fill 16 of the 32 registers of
# AVX-512 and NEON and 12 of the 16 of AVX2, enough to keep the multiply-add units busy.
_FEATURES = binding.get_host_cpu_features()
VECTOR, ROWS, VECTORS = (64, 8, 2) if _FEATURES.get("avx512f") else (32, 4, 3) if _FEATURES.get("avx2") else (16, 8, 2)


@intrinsic
def multiply_tile(typing, like, k, a, across, along, b, c, c_stride, narrow, add):
    """Compute one tile, c = a·b, or c += a·b with `add`.

    a has ROWS rows and k columns, b has k rows of VECTORS vectors. `across` and `along` are the strides of a from row
    to row and from column to column. The sum over k starts from zero and is in order. With `narrow` only the first
    vector of each row of c is computed.
    """

    def generate(context, builder, signature, arguments):
        _, *addresses, narrow, add = arguments
        code = _Vectors(builder, context.get_value_type(like))
        with builder.if_else(narrow) as (one_vector, whole_row):
            with one_vector:
                code.multiply_tile(1, *addresses, add)
            with whole_row:
                code.multiply_tile(VECTORS, *addresses, add)
        return void(context)

    return types.void(like, *[types.int64] * 7, types.boolean, types.boolean), generate


@intrinsic(prefer_literal=True)
def add_products(typing, like, terms, count, a, along, b, stride, sums, first):
    """Add the products of `terms` numbers of a with as many rows of b to `count` sums, in order: sums += a[0]·b[0] + ….

    `along` and `stride` are the steps in a and from row to row of b. With `first` the sums start from zero. They are
    written in whole vectors.
    """

    def generate(context, builder, signature, arguments):
        _, _, count, a, along, b, stride, sums, first = arguments
        code = _Vectors(builder, context.get_value_type(signature.args[0]))
        factors = [code.broadcast(code.read(address)) for address in code.addresses(terms.literal_value, a, along)]
        code.add_products(factors, count, code.addresses(len(factors), b, stride), sums, first)
        return void(context)

    return types.void(like, terms, *[types.int64] * 6, types.boolean), generate


@intrinsic
def transpose_square(typing, like, source, stride, target, target_stride):
    """Transpose a square block with as many rows and columns as a vector has lanes."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        _, source, stride, target, target_stride = arguments
        code.store_all(code.transposed(code.load_all(code.lanes, source, stride)), target, target_stride)
        return void(context)

    return types.void(like, *[types.int64] * 4), generate


@intrinsic
def transpose_in(typing, like, source, stride, rows, columns, target, target_stride):
    """Transpose a square as above, but read only this many rows and columns; the others count as zero."""

    def generate(context, builder, signature, arguments):
        _, source, stride, rows, columns, target, target_stride = arguments
        code = _Vectors(builder, context.get_value_type(like))
        vectors = code.load_partial(source, stride, rows, columns)
        code.store_all(code.transposed(vectors), target, target_stride)
        return void(context)

    return types.void(like, *[types.int64] * 6), generate


@intrinsic
def transpose_out(typing, like, source, stride, target, target_stride, rows, columns):
    """Transpose a square as above, but write only this many rows and columns."""

    def generate(context, builder, signature, arguments):
        _, source, stride, target, target_stride, rows, columns = arguments
        code = _Vectors(builder, context.get_value_type(like))
        vectors = code.load_all(code.lanes, source, stride)
        code.store_partial(code.transposed(vectors), target, target_stride, rows, columns)
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
def copy_partial(typing, like, source, count, target):
    """Write a vector of the first `count` numbers of the source, and zeros after them."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        _, source, count, target = arguments
        code.store(code.masked_load(source, code.mask_of_first(count)), target)
        return void(context)

    return types.void(like, *[types.int64] * 3), generate


@intrinsic
def write_partial(typing, like, source, count, target, add):
    """Write the first `count` numbers of a vector; with `add`, add them to the target."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        _, source, count, target, add = arguments
        mask, vector = code.mask_of_first(count), code.load(source)
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
    """Return a contiguous array at an address; `shape` is a tuple."""
    kind = types.Array(like, len(shape), "C")

    def generate(context, builder, signature, arguments):
        lengths = unpack_tuple(builder, arguments[1])
        return array_from_address(context, builder, kind, arguments[0], lengths)

    return kind(types.int64, types.UniTuple(types.int64, len(shape)), like), generate


@intrinsic
def prefetch(typing, address):
    """Prefetch the cache line of an address for reading; the address may be invalid."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), INT32, INT32, INT32])
        pointer = builder.inttoptr(arguments[0], kind.args[0])
        function = declare(builder.module, "llvm.prefetch.p0", kind)
        builder.call(function, [pointer, INT32(0), INT32(3), INT32(1)])  # read, highest locality, data cache
        return void(context)

    return types.void(types.int64), generate


@intrinsic
def maximum(typing, like, address, count):
    """Return the largest of `count` numbers, at least MAXIMA vectors; if some are NaN, return any number."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(builder, context.get_value_type(like))
        return code.maximum(*arguments[1:])

    return like(like, types.int64, types.int64), generate


@intrinsic
def maxima(typing, like, address, count, stride, target):
    """Write the largest number of each column of a matrix one vector wide; if some are NaN, write any number."""

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
    """Instructions over vectors of one type of number, appended to the code of an intrinsic."""

    def __init__(self, builder, number):
        self.builder, self.number = builder, number
        self.bits = 64 if isinstance(number, ir.DoubleType) else 32
        self.lanes = VECTOR * 8 // self.bits
        self.vector, self.mask = ir.VectorType(number, self.lanes), ir.VectorType(ir.IntType(1), self.lanes)
        self.pointer = self.vector.as_pointer()

    def multiply_tile(self, vectors, k, a, across, along, b, c, c_stride, add):
        """Append the loop of a tile with this many vectors per row; see the intrinsic."""
        builder = self.builder
        to_row = self.addresses(ROWS, INT64(0), across)
        tile = [(i, j) for i in range(ROWS) for j in range(vectors)]
        before, loop, after = builder.block, builder.append_basic_block("k"), builder.append_basic_block("k.end")
        builder.branch(loop)

        builder.position_at_end(loop)
        left, column, row = (builder.phi(INT64) for _ in range(3))
        sums = {cell: builder.phi(self.vector) for cell in tile}
        parts = [self.load(builder.add(row, INT64(j * VECTOR))) for j in range(vectors)]
        factors = [self.broadcast(self.read(builder.add(column, address))) for address in to_row]
        then = {(i, j): self.multiply_add(factors[i], parts[j], sums[i, j]) for i, j in tile}
        left_then = builder.sub(left, INT64(1))
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        for phi, at_first, afterwards in (
            (left, k, left_then),
            (column, a, builder.add(column, along)),
            (row, b, builder.add(row, INT64(VECTORS * VECTOR))),
            *((sums[cell], zero, then[cell]) for cell in tile),
        ):
            phi.add_incoming(at_first, before)
            phi.add_incoming(afterwards, loop)
        builder.cbranch(builder.icmp_signed(">", left_then, INT64(0)), loop, after)

        builder.position_at_end(after)
        rows = self.addresses(ROWS, c, c_stride)
        targets = {(i, j): builder.add(rows[i], INT64(j * VECTOR)) for i, j in tile}
        with builder.if_else(add) as (added, written):
            with added:
                for cell in tile:
                    self.store(builder.fadd(self.load(targets[cell]), then[cell]), targets[cell])
            with written:
                for cell in tile:
                    self.store(then[cell], targets[cell])

    def add_products(self, factors, count, rows, sums, first):
        """Append the loop over the sums; see the intrinsic."""
        builder, zero = self.builder, ir.Constant(self.vector, [0.0] * self.lanes)

        def step(offset, load):
            address = builder.add(sums, offset)
            total = builder.select(first, zero, self.load(address))
            for factor, row in zip(factors, rows, strict=True):
                total = self.multiply_add(factor, load(builder.add(row, offset)), total)
            self.store(total, address)

        whole = builder.udiv(count, INT64(self.lanes))
        with for_range(builder, whole, intp=INT64) as loop:
            step(builder.mul(loop.index, INT64(VECTOR)), self.load)
        left = builder.sub(count, builder.mul(whole, INT64(self.lanes)))
        with builder.if_then(builder.icmp_signed(">", left, INT64(0))):
            mask = self.mask_of_first(left)
            step(builder.mul(whole, INT64(VECTOR)), lambda address: self.masked_load(address, mask))

    def maximum(self, address, count):
        """Append the loop over MAXIMA running maxima, and return the largest of their numbers."""
        builder, step = self.builder, MAXIMA * self.lanes
        last = builder.sub(count, INT64(step))  # the last step may overlap the one before it
        first = self.load_all(MAXIMA, address, INT64(VECTOR))
        before, loop, after = builder.block, builder.append_basic_block("max"), builder.append_basic_block("max.end")
        builder.branch(loop)

        builder.position_at_end(loop)
        start = builder.phi(INT64)
        found = [builder.phi(self.vector) for _ in first]
        current = builder.add(address, builder.mul(start, INT64(self.bits // 8)))
        then = list(map(self.larger, self.load_all(MAXIMA, current, INT64(VECTOR)), found))
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
            vector = self.larger(vector, self.shuffle(vector, vector, [i ^ width for i in range(self.lanes)]))
        return builder.extract_element(vector, INT32(0))

    def larger(self, x, y):
        """Return the larger number of each lane; where x is NaN, y."""
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def transposed(self, vectors):
        """Return the columns of a square of row vectors.

        Interleaving the first half of all numbers with the second half moves the highest bit of each number's index to
        the lowest position. Once per bit of the row index, this moves the row bits below the column bits.
        """
        rows, n = len(vectors), self.lanes
        merged = [i // 2 + n * (i % 2) for i in range(2 * n)]
        for _ in range(rows.bit_length() - 1):
            pairs = zip(vectors[: rows // 2], vectors[rows // 2 :], strict=True)
            vectors = [self.shuffle(*pair, half) for pair in pairs for half in (merged[:n], merged[n:])]
        return vectors

    def load_all(self, rows, source, stride):
        """Return the first vector of each row of a matrix."""
        return [self.load(address) for address in self.addresses(rows, source, stride)]

    def store_all(self, vectors, target, stride):
        """Write vectors as the rows of a matrix."""
        for vector, address in zip(vectors, self.addresses(len(vectors), target, stride), strict=True):
            self.store(vector, address)

    def load_partial(self, source, stride, rows, columns):
        """Return as many vectors as a vector has lanes, with zeros for everything outside `rows` and `columns`."""
        masks, addresses = self.masks(rows, columns), self.addresses(self.lanes, source, stride)
        return list(map(self.masked_load, addresses, masks))

    def store_partial(self, vectors, target, stride, rows, columns):
        """Write the first `rows` vectors as rows of a matrix, and the first `columns` numbers of each."""
        masks, addresses = self.masks(rows, columns), self.addresses(self.lanes, target, stride)
        for each in zip(vectors, addresses, masks, strict=True):
            self.masked_store(*each)

    def masked_load(self, address, mask):
        """Return a vector whose numbers outside the mask are zeros that are not read."""
        kind = ir.FunctionType(self.vector, [self.pointer, INT32, self.mask, self.vector])
        zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.masked("load", kind, address, mask, zeros)

    def masked_store(self, vector, address, mask):
        """Write the numbers of a vector inside the mask."""
        kind = ir.FunctionType(ir.VoidType(), [self.vector, self.pointer, INT32, self.mask])
        self.masked("store", kind, address, mask, vector)

    def masked(self, operation, kind, address, mask, vector):
        """Call LLVM's masked load or store."""
        name = f"llvm.masked.{operation}.v{self.lanes}f{self.bits}.p0"
        function = declare(self.builder.module, name, kind)
        target = self.builder.inttoptr(address, self.pointer), INT32(self.bits // 8), mask
        return self.builder.call(function, (*target, vector) if operation == "load" else (vector, *target))

    def mask_of_first(self, count):
        """Return the mask of the first `count` numbers of a vector."""
        numbered = ir.Constant(ir.VectorType(INT64, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", numbered, self.broadcast(count))

    def masks(self, rows, columns):
        """Return for each row of a square the mask of the numbers inside the first `rows` and `columns`."""
        inside, outside = self.mask_of_first(columns), ir.Constant(self.mask, [0] * self.lanes)
        return [
            self.builder.select(self.builder.icmp_signed("<", INT64(i), rows), inside, outside)
            for i in range(self.lanes)
        ]

    def addresses(self, count, start, stride):
        """Return the addresses of this many rows."""
        return [self.builder.add(start, self.builder.mul(stride, INT64(i))) for i in range(count)]

    def multiply_add(self, x, y, z):
        """Return x·y + z, fused where the processor can."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{self.bits}"
        return self.builder.call(declare(self.builder.module, name, kind), [x, y, z])

    def broadcast(self, number):
        """Return a vector that holds one number in each lane."""
        undefined = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        return self.shuffle(self.builder.insert_element(undefined, number, INT32(0)), undefined, [0] * self.lanes)

    def shuffle(self, x, y, indices):
        """Return the numbers of x and y, counted on from x to y, at these indices."""
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, self.lanes), indices))

    def read(self, address):
        """Return the number at an address."""
        return self.builder.load(self.builder.inttoptr(address, self.number.as_pointer()))

    def load(self, address, kind=None):
        """Return the vector at an address."""
        value = self.builder.load(self.builder.inttoptr(address, (kind or self.vector).as_pointer()))
        value.align = self.bits // 8
        return value

    def store(self, value, address):
        """Write a vector to an address."""
        stored = self.builder.store(value, self.builder.inttoptr(address, value.type.as_pointer()))
        stored.align = self.bits // 8
