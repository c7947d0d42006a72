"""How the CPU loops are compiled, in one place."""

import numba

# Serial on purpose: Numba's threads and those of the BLAS fight for the same cores (0.5 ms became 8.7 ms a step).
# error_model="numpy": a division needs no check for zero, which would keep the loop from vectorising.
# "contract" lets a product and a sum fuse; "reassoc" lets a sum run in several lanes, which is more accurate than one
# lane and just as deterministic. NaN and infinity keep their meaning.
compile_cpu = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
