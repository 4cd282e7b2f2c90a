"""The explorer: one HTML page on which a model's own numbers on a batch are seen, followed and changed."""

from .explorer import Explorer as Explorer
from .public import explore as explore
from .public import write_page as write_page
