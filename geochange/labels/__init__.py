"""Labels as data: polygons with classes, and tiles of which a person said what is in them.

Where they come from does not matter: a project of :mod:`geochange.annotation`, a vector file, a
raster of classes, or several people's agreement.

>>> from geochange import labels
>>> found = labels.gather(polygons, pair)  # doctest: +SKIP
>>> labels.export(found, "labels.gpkg")  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreeing": ["write_agreement"],
        "agreement": ["measure_agreement"],
        "chips": ["write_chips"],
        "comparison": ["compare"],
        "consensus": ["find_consensus"],
        "content": ["Labels", "gather"],
        "conversion": ["export"],
        "mask": ["LabelMask", "write_mask"],
        "schema": ["LabelClass", "Schema", "read_schema"],
    },
)
