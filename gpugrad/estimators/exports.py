"""Methods of estimators that export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Exports:
    """Export methods of an estimator; each calls the function of `gpugrad.export` that its docstring names."""

    def export_onnx(self, path: str | Path, *, dtype: Any = "float32") -> None:
        """Write an .onnx file with the whole model, for onnxruntime: `gpugrad.export.to_onnx`.

        Parameters
        ----------
        path : str or path
            File to write, ending in .onnx.
        dtype : {"float32", "float64"}, default "float32"
            Type of the numbers in the input and of the arithmetic.
        """
        from ..export.onnx_file import to_onnx

        to_onnx(self, path, dtype=dtype)

    def export_safetensors(self, path: str | Path) -> None:
        """Write a .safetensors file, from which `gpugrad.export.load_safetensors` restores the estimator.

        Parameters
        ----------
        path : str or path
            File to write, ending in .safetensors.
        """
        from .stored import to_safetensors

        to_safetensors(self, path)

    def export_pytorch(self, path: str | Path) -> None:
        """Write a state_dict for `torch.nn.Sequential(Linear, activation, Linear, …)`: `gpugrad.export.to_pytorch`.

        Parameters
        ----------
        path : str or path
            File to write, ending in .pt, .pth or .safetensors.
        """
        from ..export.pytorch import to_pytorch

        to_pytorch(self, path)

    def export_numpy(self, path: str | Path) -> None:
        """Write an .npz file with weights, intercepts, classes and a JSON text: `gpugrad.export.to_numpy`.

        Parameters
        ----------
        path : str or path
            File to write, ending in .npz.
        """
        from .stored import to_numpy

        to_numpy(self, path)
