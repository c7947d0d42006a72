"""The interactive page: one HTML document that contains its style and scripts.

document    the page, for a server or with recorded paths inside
recorded    precomputed paths, and the file that contains them
"""

from .document import describe, document, path_of, policy
from .recorded import write_page

__all__ = ["describe", "document", "path_of", "policy", "write_page"]
