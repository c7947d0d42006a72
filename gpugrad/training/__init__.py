"""Training: Trainer, its callbacks, history and files, and the loop of every fit."""

from .callbacks import Callback, EarlyStopping
from .checkpoint import load_model, save_model
from .history import History
from .profiling import ProfileTraining
from .tracking import CSVLogger, TensorBoardLogger
from .trainer import Trainer

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "ProfileTraining",
    "TensorBoardLogger",
    "Trainer",
    "load_model",
    "save_model",
]
