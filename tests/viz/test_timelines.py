"""Plots along time."""

import re
from datetime import date

import numpy as np
import pytest

from geochange.viz.timelines import plot_lines


@pytest.mark.parametrize(
    ("first", "last", "marks"),
    [
        (1985, 2020, ["1985", "1990", "1995", "2000", "2005", "2010", "2015", "2020"]),
        (2017, 2021, ["2017", "2018", "2019", "2020", "2021"]),
        (1960, 2025, ["1960", "1970", "1980", "1990", "2000", "2010", "2020"]),
    ],
)
def test_marks_are_round_years(first, last, marks):
    days = [date(first, 1, 1), date(last, 1, 1)]
    svg = plot_lines(days, np.array([[1.0], [2.0]]), ["red"], (days[0], days[1]))
    assert re.findall(r'text-anchor="middle"[^>]*>(\d{4})<', svg) == marks


def test_a_short_series_is_marked_by_its_days():
    days = [date(2020, 3, 1), date(2020, 9, 1)]
    svg = plot_lines(days, np.array([[1.0], [2.0]]), ["red"], (None, days[1]))
    assert "2020-03-01" in svg
    assert "2020-09-01" in svg
