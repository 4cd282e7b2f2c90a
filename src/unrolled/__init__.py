"""Recurrent networks you can see through: layers, a forecaster, and pictures of both.

The public names are listed in `__init__.pyi`; each is imported when first used, so that
`import unrolled` and `unrolled --help` do not wait for PyTorch.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
