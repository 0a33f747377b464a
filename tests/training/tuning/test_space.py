"""What tuning may choose from, and what it refuses."""

from __future__ import annotations

import pytest

from geochange.errors import InputNotFoundError, UsageError
from geochange.training.settings.config import TrainConfig
from geochange.training.tuning.space import Dimension, read_space


def test_names_are_quoted_or_tables(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        '"optimizer.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n'
        "[model.options]\nwidths = { choices = [[4, 8], [8, 16]] }\n"
        "[chips]\nsize_px = { low = 64, high = 128, step = 32 }\n"
    )
    rate, widths, size = read_space(path, TrainConfig())
    assert rate == Dimension("optimizer.learning_rate", 1e-4, 1e-2, log=True)
    assert widths == Dimension("model.options.widths", choices=([4, 8], [8, 16]))
    assert (size.name, size.step, size.whole) == ("chips.size_px", 32, True)
    assert not rate.whole
    tables = {d.name: d.to_table() for d in (rate, widths, size)}
    assert read_space(tables, TrainConfig()) == (rate, widths, size)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "the space names no setting"),
        ({"steps": 5}, "'steps' needs a table such as"),
        ({"steps": {}}, "'steps' needs low and a greater high"),
        ({"steps": {"low": 5}}, "'steps' needs low and a greater high"),
        ({"steps": {"low": 5, "high": 5}}, "'steps' needs low and a greater high"),
        ({"steps": {"low": "5", "high": 6}}, "'steps' needs low and a greater high"),
        ({"steps": {"low": 0, "high": 6, "log": True}}, "true needs a low above 0 and no step"),
        ({"steps": {"low": 1, "high": 6, "log": "yes"}}, "log is true or false"),
        ({"steps": {"low": 1, "high": 6, "step": 9}}, "step must be above 0 and at most"),
        ({"steps": {"low": 1, "high": 6, "steps": 9}}, "unknown key 'steps' of 'steps'; did you"),
        ({"steps": {"choices": [5]}}, "choices is a list of two values or more"),
        ({"steps": {"choices": [5, 5]}}, "choices holds a value twice"),
        ({"steps": {"choices": [5, 6], "low": 1}}, "unknown key 'low' of 'steps'"),
        ({"steps": {"low": 0, "high": 6}}, "'steps' must be 1 or more, got 0"),
        ({"optimizer.lr": {"low": 1, "high": 6}}, "unknown key 'lr' in [optimizer]"),
        ({"optimizer.schedule": {"choices": ["poly", "linear"]}}, "cannot be 'linear'"),
        ({"output": {"choices": ["a", "b"]}}, "'output' cannot be tuned"),
        (
            {"chips.size_px": {"low": 8, "high": 9}, "chips": {"size_px": {"low": 8, "high": 9}}},
            "'chips.size_px' cannot be tuned, or is named twice",
        ),
    ],
)
def test_bad_spaces_are_one_line_that_names_the_setting(space, words):
    with pytest.raises(UsageError) as caught:
        read_space(space, TrainConfig())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_name_the_file(tmp_path):
    with pytest.raises(InputNotFoundError, match="no config file at /nowhere"):
        read_space("/nowhere/space.toml", TrainConfig())
    path = tmp_path / "space.toml"
    path.write_text('"steps" = { low = 9, high = 2 }')
    with pytest.raises(UsageError, match=r"space.toml: 'steps' needs low"):
        read_space(path, TrainConfig())
