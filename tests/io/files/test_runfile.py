"""A result whose ``run.json`` is missing or damaged is told in one line, whatever made it."""

import pytest

from geochange.errors import InputError, InputNotFoundError
from geochange.maps.changemap import ChangeMap
from geochange.series.result import SeriesMap


@pytest.mark.parametrize("result", [ChangeMap, SeriesMap])
@pytest.mark.parametrize("content", [b"", b'{"kind": "ser', b"[1, 2]", b"\xff\xfe"])
def test_a_damaged_run_is_told_in_one_line(result, content, tmp_path):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run.json is damaged .*; run \w+ again") as told:
        result(tmp_path).run  # noqa: B018
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("result", [ChangeMap, SeriesMap])
def test_a_folder_without_a_run_is_told(result, tmp_path):
    with pytest.raises(InputNotFoundError, match="it has no run"):
        result(tmp_path).run  # noqa: B018
