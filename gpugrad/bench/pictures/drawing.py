"""The style of a record's pictures, and their output as PNG and as SVG that uses the colours of its page."""

from __future__ import annotations

import html
import io
import re
import warnings
from dataclasses import dataclass
from typing import Any

from ...training.plots import figure_type
from ...training.theme import apply_theme

# Okabe and Ito's colours, distinct for colour-blind readers; in a page each is a variable, lighter in dark mode.
BLUE, ORANGE, GREEN, PURPLE, AMBER = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"
INK, FAINT = "#1a1a1c", "#a8a8ad"
VARIABLES = {
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
    AMBER: "amber",
    INK: "ink",
    FAINT: "faint",
}

WIDTH = 5.4  # inches, narrow enough for a phone
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "gpugrad",
}


def styled() -> Any:
    """Return a context that sets the style; raise GpugradError if Matplotlib is not installed."""
    figure_type()
    from matplotlib import rc_context

    return rc_context(STYLE)


def new_figure(height: float) -> Any:
    """Return an empty figure with a height in inches."""
    return figure_type()(figsize=(WIDTH, height), layout="constrained")


@dataclass(frozen=True)
class Picture:
    """A figure with a name, an alternative text and a caption.

    Parameters
    ----------
    name : str
        Name of the picture and of its file.
    figure : matplotlib.figure.Figure
        The figure.
    alt : str
        Alternative text.
    caption : str
        Caption.
    """

    name: str
    figure: Any
    alt: str
    caption: str

    def png(self) -> bytes:
        """Return a PNG, 1080 pixels wide, in the colours of the theme, which later calls of `svg` have too.

        Returns
        -------
        bytes
            The content of the file.
        """
        return self._saved(format="png", dpi=200)

    def svg(self) -> str:
        """Return an SVG element for a page that defines the colours as variables: --ink, --faint, --blue and so on.

        Returns
        -------
        str
            The element.
        """
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        text = self._saved(format="svg", metadata=no_metadata, transparent=True).decode()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
        label = f'role="img" aria-label="{html.escape(self.alt)}"'
        text = re.sub(r'<svg [^>]*(viewBox="[^"]*")[^>]*>', lambda match: f"<svg {match[1]} {label}>", text)
        # Make ids unique within the page, and let the page choose the font.
        text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{self.name}-", text).replace("xlink:href", "href")
        text = re.sub(r"(font: [^;\"']*?[\d.]+px) [^;\"]*", r"\1 system-ui, sans-serif", text)
        for colour, variable in VARIABLES.items():
            text = text.replace(colour, f"var(--{variable})")
        return re.sub(r"\n\s*\n+", "\n", text)

    def _saved(self, **how: Any) -> bytes:
        content = io.BytesIO()
        with styled(), warnings.catch_warnings():
            apply_theme(self.figure)
            warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box
            self.figure.savefig(content, **how)
        return content.getvalue()
