"""The interactive page: one HTML document that contains its style and scripts.

document    the page, and what it reads from the server or contains
file        the page as a file that needs no server
"""

from .document import describe, document, optimizer, path_of, policy
from .file import write_page

__all__ = ["describe", "document", "optimizer", "path_of", "policy", "write_page"]
