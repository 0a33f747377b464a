"""geochange: find what changed on the ground between georeferenced images of the same place.

Public names are listed in ``__init__.pyi``; each is imported when it is first used, so importing
geochange costs nothing and never loads torch.

>>> import geochange as gc
>>> result = gc.detect("before.tif", "after.tif", "out")  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
