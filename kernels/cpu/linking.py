"""Compiling what only other compiled code calls: typed and lowered, but optimized where it is linked in.

Numba makes every function executable by itself before another one may contain it: optimized, then translated for the
processor. All of it would be done again with the function that contains it: of 9 s to a first training step, 3.
"""

from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering


class _LinkOnlyLibrary(JITCodeLibrary):
    """Code as it was lowered, with that of the libraries that it links.

    Each function alone is still simplified, as Numba does when code is added: else the loop of dropout stays scalar.
    """

    def finalize(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerToLink(NativeLowering):
    _name = "lower_to_link"

    def run_pass(self, state: Any) -> bool:
        state.library = _LinkOnlyLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        # Numba finds the code of a function by what Python would call, here one that leads nowhere.
        module, name = lowered.fndesc.lookup_module(), state.func_id.func_name
        key = _dynfunc.make_function(module, name, "", 0, lowered.env, (state.library,))
        state["cr"] = lowered._replace(cfunc=key)
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        return True


class _LinkOnlyCompiler(CompilerBase):
    """Numba's own passes, but for the one that lowers."""

    def define_pipelines(self) -> list[PassManager]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state, "link_only")
        manager.passes = [(_LowerToLink if each is NativeLowering else each, why) for each, why in manager.passes]
        manager.finalize()
        return [manager]


# Options of numba.njit for a function that Python never calls.
LINK_ONLY: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _LinkOnlyCompiler,
}
