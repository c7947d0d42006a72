"""Results in the library of the input, if scikit-learn's array API dispatch asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import get_config

from .scikit_learn import array_device, get_namespace


def as_given(result: np.ndarray, x: Any) -> Any:
    """Return a result as an array of x's library on x's device, such as a CUDA tensor, if dispatch is on and x is one.

    Labels that are not numbers stay NumPy arrays, since no other library has them.
    """
    if not get_config()["array_api_dispatch"] or isinstance(x, np.ndarray) or not hasattr(x, "__dlpack__"):
        return result
    if result.dtype.kind not in "biuf":
        return result
    xp, _ = get_namespace(x)
    return xp.asarray(result, device=array_device(x))
