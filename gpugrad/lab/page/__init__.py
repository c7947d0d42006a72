"""The interactive page: one document of HTML that brings its style and scripts along.

document    the page, for a server or with recorded paths inside
recorded    paths computed beforehand, and the file that holds them
"""

from .document import describe, document, path_of
from .recorded import write_page

__all__ = ["describe", "document", "path_of", "write_page"]
