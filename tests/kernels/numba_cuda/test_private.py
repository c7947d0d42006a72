"""Only one file knows the private names of numba-cuda."""

import re
from pathlib import Path

from gpugrad import kernels

KERNELS = Path(kernels.__file__).parent
PRIVATE = KERNELS / "numba_cuda" / "private.py"
# numba.cuda and the names that it exports are public; its submodules and the functions of numba.config are not.
NAMES = re.compile(r"numba\.cuda\.\w+(\.\w+)*|from numba(\.\w+)* import|import numba\b|numba\.config")


def private_names(file):
    code = "\n".join(line.partition("#")[0] for line in file.read_text().splitlines())
    return [match[0] for match in NAMES.finditer(re.sub(r'""".*?"""', "", code, flags=re.DOTALL))]


def test_no_other_file_of_the_cuda_kernels_imports_numba():
    files = {*KERNELS.glob("numba_cuda/*.py"), *KERNELS.glob("*/numba_cuda.py")} - {PRIVATE}
    assert len(files) > 15
    assert {file.name: names for file in files if (names := private_names(file))} == {}


def test_the_adapter_is_where_they_are():
    assert {"numba.config", "numba.cuda.simulator.kernel"} <= set(private_names(PRIVATE))
