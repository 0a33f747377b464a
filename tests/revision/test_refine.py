import numpy as np
import pytest

import geochange as gc
from geochange.errors import UsageError

FEW = {"products": ("score", "mask"), "threads": 1}


@pytest.mark.parametrize("method", ["guided", "superpixels", "contour"])
def test_a_refined_run_is_better_and_the_same_for_any_tiles(folder, tmp_path, truth, method):
    outs = [
        gc.refine(
            folder / "soft", tmp_path / str(size), method=method, tile_size=size, threads=threads
        )
        for size, threads in ((64, 2), (192, 1))
    ]
    for name in ("score.tif", "mask.tif", "changes.geojson"):
        first, second = ((out.path / name).read_bytes() for out in outs)
        assert first == second
    run = outs[0].run
    assert run["kind"] == "refine"
    assert run["threshold"]["value"] == gc.open_map(folder / "soft").threshold
    assert run["learned"]["guide"] == ["Red", "Green", "Blue"]
    assert run["settings"]["min_area"] == "2px"
    wrong = []
    for result in (gc.open_map(folder / "soft"), outs[0]):
        mask = result.open("mask").to_numpy()
        wrong.append(((mask == 1) ^ (truth == 1))[mask != 255].sum())
    assert wrong[1] < wrong[0]
    nodata = [np.isnan(gc.open_map(run).open().to_numpy()) for run in (folder / "soft", outs[0])]
    np.testing.assert_array_equal(*nodata)


def test_a_radius_and_a_method_must_be_known(folder, tmp_path):
    with pytest.raises(UsageError, match="did you mean 'guided'"):
        gc.refine(folder / "cva", tmp_path / "out", method="guide")
    for radius in (0, 65, 2.5):
        with pytest.raises(UsageError, match="1 to 64 px"):
            gc.refine(folder / "cva", tmp_path / "out", radius=radius)


def test_a_run_without_change_stays_without(folder, tmp_path):
    same = folder / "before.tif", folder / "before.tif"
    gc.detect(*same, tmp_path / "same", method="cva", register="off", normalize="off", **FEW)
    for method in ("guided", "contour"):
        result = gc.refine(tmp_path / "same", tmp_path / method, method=method, **FEW)
        assert result.threshold is None
        assert not (result.open("mask").to_numpy() == 1).any()
