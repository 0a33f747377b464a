"""Labelling change in a browser: a project of labels on disk, and the web tool that edits it.

>>> from geochange import annotation
>>> project = annotation.create_project("labels.gcproj", "a.tif", "b.tif")  # doctest: +SKIP
>>> app = annotation.make_app(project)  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "app": ["make_app"],
        "collection": ["Collection", "create_collection", "open_collection"],
        "importing": ["import_labels"],
        "labels": ["read_labels"],
        "learning": ["learn"],
        "opening": ["create_project", "open_project"],
        "people": ["measure_people"],
        "project": ["Project"],
        "serving": ["serve"],
        "truths": ["import_truth"],
    },
)
