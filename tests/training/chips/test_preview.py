import numpy as np
import pytest

import geochange as gc
from geochange.errors import InputError


def test_the_first_chips_are_drawn_before_after_and_label(tiny):
    figure = gc.preview_chips(tiny, 4, settings={"synthesis.unchanged": 0.0})
    assert len(figure.axes) == 12
    pictures = [axis.images[0].get_array() for axis in figure.axes]
    assert all(picture.shape == (32, 32, 4) for picture in pictures)
    assert np.ptp(pictures[0][..., :3]) > 50
    labelled = [np.abs(pictures[4 + i].astype(int) - pictures[8 + i]).max() for i in range(4)]
    assert max(labelled) > 50
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_data_that_training_refuses_are_refused(tiny):
    with pytest.raises(InputError, match="names no training data"):
        gc.preview_chips(tiny, settings={"data.train": []})
