"""Names of PyTorch and NumPy that have another name here, or none, and what to write: for messages alone."""

from __future__ import annotations

_IN_PLACE = "write x[...] = value to change a tensor in place"
_CLIPPING = "use optimizer.clip_grad_norm() and clip_grad_value(), or gg.Trainer(clip_norm=…)"
_SPREAD = "compute it as ((x - x.mean(axis)) ** 2).mean(axis), whose square root is the deviation"

TENSOR = {
    **dict.fromkeys(("view", "flatten", "ravel", "unsqueeze", "squeeze", "expand_dims"), "use reshape()"),
    **dict.fromkeys(("permute", "swapaxes", "movedim"), "use transpose()"),
    "t": "use .T",
    **dict.fromkeys(("numel", "nelement"), "use .size"),
    "dim": "use .ndim",
    **dict.fromkeys(("cpu", "cuda"), "use to('cpu') or to('cuda'), and numpy() for a NumPy array"),
    **dict.fromkeys(("is_cuda", "get_device"), "read .device.kind"),
    **dict.fromkeys(
        ("float", "double", "half", "long", "int", "bool", "type"), "use astype(), as in x.astype('float64')"
    ),
    **dict.fromkeys(("clone", "copy"), "use x + 0, or gg.tensor(x.numpy()) off the tape"),
    **dict.fromkeys(("contiguous", "is_contiguous"), "leave it out, every tensor is contiguous"),
    "requires_grad_": "write x.requires_grad = True",
    **dict.fromkeys(("zero_", "fill_", "add_", "sub_", "mul_", "div_", "copy_", "clamp_"), _IN_PLACE),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), "use clip()"),
    **dict.fromkeys(("pow", "square"), "write x ** 2"),
    **dict.fromkeys(("mm", "dot", "matmul", "bmm"), "write x @ y"),
    **dict.fromkeys(("add", "sub", "mul", "div"), "use the operators +, -, * and /"),
    **dict.fromkeys(("var", "std"), _SPREAD),
    "norm": "write (x ** 2).sum().sqrt()",
    **dict.fromkeys(("amax", "amin"), "use max() or min()"),
    "retain_grad_": "use retain_grad()",
}
FUNCTIONS = {
    **dict.fromkeys(("cat", "hstack", "vstack"), "use gg.concatenate()"),
    "clamp": "use gg.clip()",
    **dict.fromkeys(("from_numpy", "as_tensor", "asarray", "array", "from_array"), "use gg.tensor()"),
    **dict.fromkeys(("absolute",), "use gg.abs()"),
    **dict.fromkeys(("mm", "dot", "bmm"), "use gg.matmul(), or x @ y"),
    "rand": "use gg.tensor(numpy.random.default_rng().random(shape)), or gg.randn()",
    **dict.fromkeys(("linspace", "eye", "empty"), "build it with NumPy and pass it to gg.tensor()"),
    **dict.fromkeys(
        ("float32", "float64", "float16", "int32", "int64", "uint8"), "pass the name, dtype='float32', or NumPy's"
    ),
    **dict.fromkeys(("save", "load"), "use gg.save_model(model, path) and gg.load_model(path)"),
    **dict.fromkeys(("cuda", "backends"), "use gg.device('cuda'), and gpugrad info on the command line"),
    **dict.fromkeys(("cross_entropy", "mse_loss", "binary_cross_entropy"), "use the loss in gg.nn or gg.functional"),
    **dict.fromkeys(("DataLoader", "Dataset"), "pass arrays to Trainer.fit(x, y)"),
    **dict.fromkeys(("Module", "Linear", "Sequential", "Dense", "MLP"), "it is in gg.nn"),
    **dict.fromkeys(("Adam", "AdamW", "SGD", "RMSprop"), "it is in gg.optim"),
    **dict.fromkeys(("seed", "set_seed", "random"), "use gg.manual_seed()"),
    "enable_grad": "use gg.no_grad(), outside of which gradients are on",
    "inference_mode": "use gg.no_grad()",
}
NN = {
    "functional": "use gg.functional",
    **dict.fromkeys(
        ("Conv1d", "Conv2d", "Conv3d", "LSTM", "GRU", "RNN", "Transformer", "Embedding", "MaxPool2d", "BatchNorm2d"),
        "gpugrad trains multilayer perceptrons only, whose layers are in dir(gg.nn)",
    ),
    **dict.fromkeys(("BatchNorm1d", "LayerNorm"), "write it as an nn.Module, as docs/adding_a_layer.md does"),
    **dict.fromkeys(
        ("Softmax", "LogSoftmax"), "leave it out, the losses take logits; gg.softmax() gives probabilities"
    ),
    "NLLLoss": "use nn.CrossEntropyLoss() on the logits, without a softmax before it",
    "BCELoss": "use nn.BCEWithLogitsLoss() on the logits, without a sigmoid before it",
    "SmoothL1Loss": "use nn.HuberLoss()",
    **dict.fromkeys(("utils", "clip_grad_norm_", "clip_grad_norm", "clip_grad_value_"), _CLIPPING),
    "ModuleList": "assign a list of modules to an attribute, or use nn.Sequential",
}
MODULE = {
    "summary": "use nn.summary(model)",
    **dict.fromkeys(("cpu", "cuda"), "use to('cpu') or to('cuda')"),
    **dict.fromkeys(("float", "double", "half"), "pass dtype='float32' or 'float64' when it is created"),
    **dict.fromkeys(("fit", "predict", "compile"), "use gg.Trainer(model), then its fit(x, y) and predict(x)"),
    **dict.fromkeys(("save", "load"), "use gg.save_model(model, path) and gg.load_model(path)"),
    **dict.fromkeys(
        ("register_parameter", "add_module", "register_module"), "assign the nn.Parameter or nn.Module to an attribute"
    ),
    **dict.fromkeys(("clip_grad_norm_", "clip_grad_norm"), _CLIPPING),
}
OPTIM = {
    **dict.fromkeys(("clip_grad_norm_", "clip_grad_norm", "clip_grad_value_"), _CLIPPING),
    "lr_scheduler": "the schedules are in gg.optim itself",
    "LambdaLR": "set optimizer.param_groups[0]['lr'] before each step",
    **dict.fromkeys(("NAdam", "RAdam", "Adamax", "LBFGS", "Rprop", "Lion"), "choose one of gg.optim.NAMES"),
    **dict.fromkeys(("adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta"), "write it as optim.Adam is written"),
}
DATA = {
    **dict.fromkeys(("DataLoader", "TensorDataset", "random_split"), "pass arrays to Trainer.fit(x, y)"),
    **dict.fromkeys(("load_mnist", "mnist"), "use data.load('digits') or data.load('mnist')"),
    **dict.fromkeys(("read_csv", "load_csv", "read_parquet"), "use data.load(path, target='column')"),
    "train_test_split": "use data.hold_out_rows() or scikit-learn's",
    **dict.fromkeys(("StandardScaler", "OneHotEncoder"), "use data.Preprocessing, or scikit-learn's"),
}


def has_no(owner: str, name: str, elsewhere: dict[str, str]) -> str:
    """Return the message of an AttributeError, with what to write instead if the name is another library's."""
    return f"{owner} has no attribute {name!r}" + (f": {elsewhere[name]}" if name in elsewhere else "")
