"""Adapter to the private parts of Numba: no other file of the CPU path imports or touches them.

Read in Numba 0.68.1 with llvmlite 0.50; `pyproject.toml` excludes versions that nobody has read. What is used, and why:

numba.core.registry.CPUDispatcher       base class of the two kinds of compiled functions below
  add_overload, _compile_for_args       where a dispatcher registers machine code, and compiles at a call from Python
  targetdescr.target_context            starts LLVM
numba.core.caching                      `FunctionCache` and `IndexDataCacheFile`, which raise on a damaged entry
numba.core.compiler, compiler_machinery,
  typed_passes, codegen, numba._dynfunc replace the one compiler pass that optimizes a function which is only inlined
options no_cpython_wrapper and
  no_cfunc_wrapper                      omit wrappers that nobody calls
numba.core.compiler_lock                a fork waits until no thread compiles, since its child could never compile
numba.core.event                        the seconds spent compiling, for measurements
numba.core.cgutils, numba.np.arrayobj   read, write and construct tuples and arrays in an `@intrinsic`
target context: get_dummy_value,        methods of the `context` of an `@intrinsic`; only `get_value_type` is part of
  make_tuple, make_array, get_abi_sizeof, the documented extension API
  get_data_type, active_code_library,
  call_internal_no_propagate

An incompatible Numba fails in this file, at import or at the first compilation, with a `CompilationError`; the CPU
device then uses the NumPy toolchain.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import _dynfunc, config, types
from numba.core import cgutils, event
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering
from numba.np.arrayobj import populate_array

from .. import fork
from . import CompilationError, summary

alloca_once, alloca_once_value = cgutils.alloca_once, cgutils.alloca_once_value
for_range, unpack_tuple = cgutils.for_range, cgutils.unpack_tuple

INT64 = ir.IntType(64)
COLLECT_AFTER = 20_000  # new objects between two garbage collections during a compilation; Python's default is 700

if config.DISABLE_JIT:
    raise CompilationError("NUMBA_DISABLE_JIT is set: unset it")
CPUDispatcher.targetdescr.target_context  # noqa: B018  starts LLVM: if that fails, it fails here


def compile_listener() -> Any:
    """Return a context whose value is a listener: its `duration` is the seconds that Numba spent compiling."""
    return event.install_listener("numba:compile", event.TimingListener())


# ---- functions that only compiled code calls ----


class _LinkedLibrary(JITCodeLibrary):
    """Code of a function and of the functions that it calls, optimized only function by function.

    Numba makes every function executable before another one may call it: it optimizes the whole library and translates
    it to machine code. The caller, which inlines the function, repeats all of that. Skipping it here saves 3 of the 9 s
    before a first training step. The simplification of single functions stays: without it the dropout loop is scalar.
    """

    def finalize(self) -> None:
        """Link the libraries of the called functions, and leave everything else to the caller's library."""
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerForLinking(NativeLowering):
    """Lower a function into a `_LinkedLibrary`."""

    _name = "lower_for_linking"

    def run_pass(self, state: Any) -> bool:
        """Lower, then register the code under a placeholder, since no machine code exists."""
        state.library = _LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        # Numba looks up the code of a function by its entry point for Python, so this one needs an object as its key.
        module, name = lowered.fndesc.lookup_module(), state.func_id.func_name
        key = _dynfunc.make_function(module, name, "", 0, lowered.env, (state.library,))
        state["cr"] = lowered._replace(cfunc=key)
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        return True


class _LinkedCompiler(CompilerBase):
    """Numba's compiler with `_LowerForLinking` instead of its own lowering pass."""

    def define_pipelines(self) -> list[PassManager]:
        """Return the one pipeline of this compiler."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state, "linked")
        manager.passes = [(_LowerForLinking if step is NativeLowering else step, why) for step, why in manager.passes]
        manager.finalize()
        return [manager]


_NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# Options for `numba.extending.overload(jit_options=)`, whose implementations are linked as well.
LINKED_OPTIONS: dict[str, Any] = {**_NO_WRAPPERS, "pipeline_class": _LinkedCompiler}


class _LinkedFunction(CPUDispatcher):
    """A function that compiled code can call and inline, and Python cannot call."""

    def add_overload(self, compiled: Any) -> None:
        """Register a compiled version for typing only: its entry point for Python is a placeholder."""
        self.overloads[tuple(compiled.signature.args)] = compiled

    def _compile_for_args(self, *arguments: Any, **keywords: Any) -> None:
        raise TypeError(f"{self.__name__} is for compiled code alone: run it with spread() or run_once()")


def linked_function(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function for compiled code to call; `options` are those of `numba.njit`."""
    options = {"nopython": True, "boundscheck": None, **_NO_WRAPPERS, **options}
    return _LinkedFunction(function, targetoptions=options, pipeline_class=_LinkedCompiler)


# ---- functions that Python calls, cached on disk ----

fork.waits_for(global_compiler_lock)


class _CheckedFile(IndexDataCacheFile):
    """Cache files that carry the SHA-256 of their machine code, so that damaged code never runs."""

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest() + content)

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        size = hashlib.sha256().digest_size
        if hashlib.sha256(content[size:]).digest() != content[:size]:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(content[size:])


class _CheckedCache(FunctionCache):
    """A cache that never fails: it compiles a damaged entry again, and keeps nothing where it cannot write."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _CheckedFile(self._cache_path, self._impl.filename_base, locator.get_source_stamp())

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return the cached version for a signature, or None."""
        try:
            return super().load_overload(signature, context)
        except Exception:  # Unpickling damaged bytes can raise anything.
            with contextlib.suppress(OSError):
                self.flush()  # An index that cannot be read would also stop the new version from being saved.
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Save a compiled version if the folder can be written."""
        with contextlib.suppress(OSError):
            super().save_overload(signature, compiled)


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage rarely within the block: a compiler makes many objects that live until it is done."""
    with global_compiler_lock:  # the threshold is the process's, and Numba compiles one function at a time anyway
        before = gc.get_threshold()
        if before[0] != 0:  # otherwise collections are off
            gc.set_threshold(max(before[0], COLLECT_AFTER), *before[1:])
        try:
            yield
        finally:
            gc.set_threshold(*before)


class _CachedFunction(CPUDispatcher):
    """A compiled function whose versions outlive the process, and whose compilation fails with one kind of error."""

    def enable_caching(self) -> None:
        """Cache on disk if there is a folder for it: NUMBA_CACHE_DIR, `__pycache__` or the user's cache folder."""
        with contextlib.suppress(RuntimeError, OSError):
            self._cache = _CheckedCache(self.py_func)

    @property
    def cache_folder(self) -> str | None:
        """Folder of the cached versions; None if no folder can be written, so that every process compiles again."""
        return self._cache.cache_path

    def _compile_for_args(self, *arguments: Any, **keywords: Any) -> Any:
        # Nothing but loading and compiling happens here: the caller runs the function afterwards.
        try:
            with _rare_collections():
                return super()._compile_for_args(*arguments, **keywords)
        except Exception as error:
            raise CompilationError(f"Numba cannot compile {self.__name__} ({summary(error)})") from error


def cached_function(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function that Python can call and that is cached on disk; `options` are those of `numba.njit`."""
    options = {"nopython": True, "boundscheck": None, "no_cfunc_wrapper": True, **options}
    compiled = _CachedFunction(function, targetoptions=options)
    compiled.enable_caching()
    return compiled


# ---- code of an `@intrinsic` ----


def compiled_version(loop: Any, typing: Any, argument_types: tuple) -> Any:
    """Compile a linked function, given by its Numba type, for these argument types; return Numba's description."""
    loop.get_call_type(typing, argument_types, {})
    return loop.dispatcher.overloads[argument_types]


def link(context: Any, compiled: Any) -> None:
    """Link a compiled version into the library that is being built."""
    context.active_code_library.add_linking_library(compiled.library)


def call_compiled(context: Any, builder: ir.IRBuilder, compiled: Any, values: list) -> None:
    """Call a compiled version that raises nothing, and ignore its status."""
    context.call_internal_no_propagate(builder, compiled.fndesc, compiled.signature, values)


def void(context: Any) -> ir.Value:
    """Return the result of an intrinsic that returns nothing."""
    return context.get_dummy_value()


def make_tuple(context: Any, builder: ir.IRBuilder, kind: Any, values: list) -> ir.Value:
    """Return a tuple of values."""
    return context.make_tuple(builder, kind, values)


def size_of(context: Any, kind: ir.Type) -> int:
    """Return the bytes that a value of this type takes in memory."""
    return context.get_abi_sizeof(kind)


def borrow(context: Any, builder: ir.IRBuilder, kind: Any, value: ir.Value, rows: tuple | None = None) -> ir.Value:
    """Return an array without an owner, cut to `rows`, (start, stop), if given; return other values unchanged.

    Writes the fields `meminfo`, `parent`, `data`, `nitems` and `shape` of Numba's array structure.
    """
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo, array.parent = (ir.Constant(field.type, None) for field in (array.meminfo, array.parent))
    if rows is not None:
        start, stop = rows
        n_rows, stride = builder.extract_value(array.shape, 0), builder.extract_value(array.strides, 0)
        n_kept, offset = builder.sub(stop, start), builder.mul(start, stride)
        array.data = builder.inttoptr(builder.add(builder.ptrtoint(array.data, INT64), offset), array.data.type)
        array.nitems = builder.mul(n_kept, builder.sdiv(array.nitems, n_rows))
        array.shape = builder.insert_value(array.shape, n_kept, 0)
    return array._getvalue()


def array_from_address(
    context: Any, builder: ir.IRBuilder, kind: types.Array, address: ir.Value, lengths: list[ir.Value]
) -> ir.Value:
    """Return a contiguous array without an owner at an address."""
    number = context.get_data_type(kind.dtype)
    itemsize = INT64(context.get_abi_sizeof(number))
    strides = [itemsize]
    for length in lengths[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(kind)(context, builder)
    populate_array(array, builder.inttoptr(address, number.as_pointer()), lengths, strides, itemsize, meminfo=None)
    return array._getvalue()
