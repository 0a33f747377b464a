import numpy as np
import pytest

from geochange.detectability.design import Design
from geochange.detectability.facts import describe, find_corner, list_rows, say
from geochange.detectability.measuring import Cut, Measured
from geochange.detectability.noise import PairNoise


def measured(shares, level=40_000, shape="square", trials=100):
    """Wrap shares (sizes, contrasts) of one band."""
    found = np.rint(trials * np.array(shares)).astype(np.int64)
    design = Design((1.0, 3.0, 8.0), (2.0, 4.0, 8.0), trials, shape)
    noise = PairNoise(np.ones(1), np.eye(1))
    cut = Cut("false alarms", level, 1e-4, "")
    tried = np.full((1, 3), trials)
    return Measured(design, noise, ("Pan",), (cut,), tried, found[None, None])


@pytest.mark.parametrize(
    ("shares", "corner", "words"),
    [
        ([[0, 0, 1], [0, 1, 1], [1, 1, 1]], (0, 2, 2), "of 1 x 1 px and 8 sigmas or more are"),
        ([[0, 0, 0], [0, 0.9, 1], [0, 1, 1]], (1, 2, 1), "of 3 x 3 px and 4 sigmas or more are"),
        ([[0, 0, 0], [0, 0, 1], [0, 0, 0.86]], (1, 2, 2), "of 3 x 3 px and 8 sigmas or more are"),
        (
            [[0, 0, 0], [0, 1, 1], [0, 0, 0]],
            (1, 1, 1),
            "of 3 x 3 px alone, of 4 sigmas or more, are",
        ),
        ([[0, 0, 0], [1, 0, 1], [0, 0, 0]], (1, 1, 2), "of 8 sigmas or more, are found with 90 %"),
        ([[0, 1, 1], [0, 0, 1], [0, 0, 1]], (0, 2, 2), "of 1 x 1 px and 8 sigmas or more are"),
        ([[0, 1, 1], [0, 1, 1], [0, 0, 0]], (0, 1, 1), "of 1 x 1 px to 3 x 3 px, of 4 sigmas"),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0.8]], None, "of up to 8 x 8 px and 8 sigmas are not"),
    ],
)
def test_the_sentence(shares, corner, words):
    result = measured(shares)
    assert find_corner(result, result.shares[0, 0]) == corner
    [sentence] = say(result)
    assert words in sentence
    assert sentence.startswith("At a false-alarm rate of 0.0001, changes of")


def test_a_score_without_room_for_a_threshold():
    [sentence] = say(measured(np.zeros((3, 3)), level=65535))
    assert sentence.startswith("No threshold has so few false alarms")


def test_rows_are_complete():
    rows = list(list_rows(describe(measured(np.full((3, 3), 0.25)))))
    assert len(rows) == 9
    assert rows[0] | {"low_95": 0, "high_95": 0} == {
        "threshold": "false alarms",
        "kind": "brightness",
        "size_px": 1.0,
        "contrast_sigma": 2.0,
        "tried": 100,
        "found": 25,
        "probability": 0.25,
        "low_95": 0,
        "high_95": 0,
    }
