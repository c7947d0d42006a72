"""History: the records of a run, one per epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..engine.files import to_json, write_whole
from ..errors import GpugradError, counted


class History:
    """Records of a run, one per epoch.

    A record has `epoch`, `steps`, `train_loss`, `lr`, `seconds` and `samples_per_second`, and with validation data
    `validation_loss` and its score (`validation_accuracy` or `validation_r2`). `history["train_loss"]` is a list with
    one value per epoch; `history[-1]` is the last record.

    Parameters
    ----------
    records : list of dict, optional
        Records to start with.

    Attributes
    ----------
    records : list of dict
        The records.
    stopped : str or None
        Why the run ended early.
    """

    def __init__(self, records: list[dict[str, Any]] | None = None) -> None:
        self.records = records or []
        self.stopped: str | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, int):
            return self.records[key]
        return [record[key] for record in self.records]

    def __repr__(self) -> str:
        if not self.records:
            return "History(no epochs)"
        last = ", ".join(f"{k}={v:.4g}" for k, v in self.records[-1].items() if k.endswith(("loss", "accuracy", "r2")))
        return f"History({counted(len(self), 'epoch')}, {last})"

    def to_json(self, path: str | Path) -> None:
        """Write the records to a JSON file.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        write_whole(path, to_json({"records": self.records, "stopped": self.stopped}, indent=2) + "\n")

    def to_csv(self, path: str | Path) -> None:
        """Write the records to a CSV file with one line per epoch.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.records[0]) if self.records else ["epoch"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records)
        write_whole(path, text.getvalue())

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw loss, score and learning rate against the epoch.

        Parameters
        ----------
        path : str or Path, optional
            A PNG file to write.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        GpugradError
            If there are no epochs, or Matplotlib is not installed.
        """
        from .plots import plot_history

        if not self.records:
            raise GpugradError("a history without epochs cannot be drawn: train for at least one epoch")
        return plot_history(self, path)
