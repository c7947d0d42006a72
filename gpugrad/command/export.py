"""The command `gpugrad export`: write a trained model in a format for deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ModelFile = Annotated[Path, typer.Argument(help="A model file, or the --out folder of a run.")]
Out = Annotated[
    Path,
    typer.Argument(help="The file to write: .onnx for the whole model, .pt or .safetensors for PyTorch's weights."),
]


def export(model: ModelFile, out: Out) -> None:
    """Write a trained model with its preprocessing and classes as ONNX, or its weights for PyTorch.

    Example: gpugrad export runs/digits digits.onnx
    """
    from ..estimators.stored import KIND, load_safetensors
    from ..export.paths import check_suffix
    from ..export.pytorch import to_pytorch
    from ..training.checkpoint import read_file
    from .trained import MODEL

    suffix = check_suffix(out, ".onnx", ".pt", ".pth", ".safetensors")
    file = model / MODEL if model.is_dir() else model
    is_estimator = read_file(file)[1].get("kind") == KIND
    found: Any = load_safetensors(file) if is_estimator else _trained(file)
    if suffix == ".onnx":
        _write_onnx(found, out, is_estimator)
    else:
        to_pytorch(found if is_estimator else found.trainer.model, out)
        reader = "safetensors.torch.load_file" if suffix == ".safetensors" else "torch.load"
        typer.echo(f"wrote the weights to {out}, for {reader}")


def _trained(file: Path) -> Any:
    from .trained import load_trained

    return load_trained(file, "cpu", None)


def _write_onnx(found: Any, out: Path, is_estimator: bool) -> None:
    from ..export.onnx_file import to_onnx

    if is_estimator:
        proto = to_onnx(found, out)
    else:
        parts = {"preprocessing": found.preprocessing, "classes": found.classes}
        proto = to_onnx(found.trainer.model, out, **parts)
    typer.echo(f"wrote {out}")
    for name, values in (("inputs", proto.graph.input), ("outputs", proto.graph.output)):
        typer.echo(f"{name:<8}{', '.join(map(_described, values))}")


def _described(value: Any) -> str:
    """Return the name, dtype and shape of an input or output: "X float32 (rows, 64)"."""
    from onnx import helper

    tensor = value.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    columns = [str(dim.dim_value) for dim in tensor.shape.dim[1:]]
    return f"{value.name} {dtype if dtype.kind != 'O' else 'text'} ({', '.join(['rows', *columns])})"
