"""Settings of the documentation site; `.ci/site` builds it to build/site."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]  # the checkout is documented, however gpugrad was installed

import gpugrad  # noqa: E402

project = "gpugrad"
version = release = gpugrad.__version__
copyright = "the authors of gpugrad, MIT licence"
html_title = f"gpugrad {version}"
html_show_sphinx = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "_extensions.rooms",
    "_extensions.kernels",
    "_extensions.command",
    "_extensions.links",
    "_extensions.formulas",
]
exclude_patterns = ["_extensions"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
html_copy_source = False
pygments_style, pygments_dark_style = "friendly", "github-dark"
highlight_language = "none"

# Links to source files lead to copies in the site, or to this address of the repository, followed by the path.
gpugrad_source_url = os.environ.get("GPUGRAD_SOURCE_URL", "")

html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # the anchors of GitHub

# Signatures show defaults; types, shapes and units are in the docstrings.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
default_role = "code"
smartquotes = False  # quotes in docstrings are those of Python
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # but for the names that `rooms` adds to numpydoc_xref_aliases
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88

# Weekly: `sphinx -b linkcheck`.
linkcheck_ignore = [r"(?!https?:)"]  # links within the site
linkcheck_timeout = 20
linkcheck_retries = 3
linkcheck_anchors_ignore_for_url = ["https://github.com/"]
