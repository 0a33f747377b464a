from __future__ import annotations

import numpy as np
import pytest

from geochange.errors import InputError
from geochange.io.rasters.masks import SCL_MASKED, open_mask
from geochange.io.rasters.rasterfile import describe_raster


@pytest.mark.parametrize(
    ("name", "highest", "codes"),
    [
        ("T32TQM_SCL_20m.tif", 11, SCL_MASKED),
        ("scl.tif", 4, SCL_MASKED),
        ("SCL.tif", 255, None),
        ("muscle.tif", 2, None),
        ("disclosed.tif", 2, None),
    ],
)
def test_scene_classes_are_known_by_name_and_values(write_raster, name, highest, codes):
    values = np.full((1, 20, 30), 1, np.uint8)
    values[0, 3, 4] = highest
    own = describe_raster(write_raster("own.tif", values)).geobox
    mask, note = open_mask(write_raster(name, values), own, own)
    assert mask.codes == codes
    assert ("scene classes 0, 1, 3, 8, 9, 10, 11 mask" in note) == (codes is not None)
    assert ("every non-zero value masks" in note) == (codes is None)


def test_the_address_of_a_vector_mask_is_kept(write_raster, monkeypatch):
    seen = []

    def refuse(path, **_):
        seen.append(path)
        raise InputError(str(path))

    monkeypatch.setattr("geochange.io.polygons.read_vector", refuse)
    own = describe_raster(write_raster("own.tif", np.ones((1, 20, 30), np.uint8))).geobox
    for address in ("https://example.org/a.geojson", "/vsizip/a.zip/a.shp"):
        with pytest.raises(InputError):
            open_mask(address, own, own)
    assert seen == ["https://example.org/a.geojson", "/vsizip/a.zip/a.shp"]
