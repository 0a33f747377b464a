import numpy as np
import pytest
import rasterio

from geochange.errors import OutputError, OutputExistsError
from geochange.exports.masked import clean
from geochange.exports.rasters.cog import write_score
from geochange.io.stores.score import SCORE_NODATA, encode_score


@pytest.fixture
def score(tmp_path, grid, rng, make_store):
    values = rng.uniform(0, 0.4, grid.shape).astype(np.float32)
    values[20:30, 20:40] = 0.9
    store = make_store(tmp_path / "tiles", grid, encode_score(values), SCORE_NODATA)
    return write_score(store, tmp_path / "score.tif", tags={})


def test_a_score_is_cut_again(score, tmp_path):
    with rasterio.open(clean(score, tmp_path / "mask.tif", 0.5)) as mask:
        assert (mask.read(1) == 1).sum() == 200


def test_a_run_keeps_its_own_mask(score, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "mask.tif").write_text("the run's")
    with pytest.raises(OutputError, match=r"is a run, whose files belong together"):
        clean(score, tmp_path / "mask.tif", 0.5, overwrite=True)
    assert (tmp_path / "mask.tif").read_text() == "the run's"


def test_targets_are_checked_first(score, tmp_path):
    with pytest.raises(OutputError, match=r"there is no folder .*nowhere"):
        clean("no score either", tmp_path / "nowhere" / "mask.tif", 0.5)
    with pytest.raises(OutputExistsError, match=r"score\.tif exists"):
        clean(score, score, 0.5)
