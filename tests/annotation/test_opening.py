"""Projects are made whole, opened again, and refuse another pair."""

import json
import os
import stat

import pytest

from geochange.annotation.access import Access, load_access, store_access
from geochange.annotation.opening import create_project, open_project
from geochange.errors import InputError, InputNotFoundError, OutputExistsError, UsageError
from geochange.labels.schema import parse_schema, read_schema

from .conftest import write_dates


def test_a_project_is_made_from_two_files(pair, tmp_path):
    project = create_project(tmp_path / "a" / "labels", *pair, tile_size=128)
    assert project.describe()["runs"] == []
    assert project.pair.shape == (320, 384)
    assert not list((tmp_path / "a").glob(".labels*"))
    project.require_same_pair(*map(str, pair))
    with pytest.raises(InputError, match="holds labels of"):
        project.require_same_pair(str(pair[1]), str(pair[0]))
    project.close()


def test_a_run_is_added_once(project, run):
    assert project.has_run(run)
    assert not project.has_run(run / "other")


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"tile_size": 1}, UsageError), ({"register_mode": "maybe"}, UsageError),
     ({"pair_settings": {"bands": ["purple"]}}, InputError)],
)  # fmt: skip
def test_what_cannot_work_leaves_nothing(pair, tmp_path, settings, error):
    with pytest.raises(error):
        create_project(tmp_path / "labels", *pair, **settings)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_touched(pair, tmp_path):
    with pytest.raises(OutputExistsError):
        create_project(tmp_path, *pair)
    with pytest.raises(UsageError, match="two dates, or a run"):
        create_project(tmp_path / "new", pair[0])
    with pytest.raises(InputNotFoundError):
        open_project(tmp_path)


def test_images_of_another_size_are_refused(tmp_path):
    files = write_dates(tmp_path)
    create_project(tmp_path / "labels", *files).close()
    import rasterio

    with rasterio.open(files[0]) as dataset:
        profile, pixels = dataset.profile, dataset.read()
    with rasterio.open(files[0], "w", **(profile | {"height": 200})) as dataset:
        dataset.write(pixels[:, :200])
        dataset.descriptions = ("Blue", "Green", "Red", "NIR")
    with pytest.raises(InputError, match="another size"):
        open_project(tmp_path / "labels")


def test_links_last_and_are_this_users_alone(tmp_path):
    first = load_access(tmp_path, ["ann", "bob"])
    store_access(tmp_path, Access(8123, first.tokens))
    mode = stat.S_IMODE(os.stat(tmp_path / "access.json").st_mode)
    assert mode == 0o600
    again = load_access(tmp_path, ["bob", "eve"])
    tokens = {name: token for token, name in again.tokens.items()}
    assert again.port == 8123
    assert tokens["bob"] in first.tokens
    assert tokens["eve"] not in first.tokens
    (tmp_path / "access.json").write_text("{}")
    assert load_access(tmp_path, ["ann"]).port == 0


@pytest.mark.parametrize(
    "content",
    [{}, {"classes": []}, {"classes": [{"id": 1}]}, {"classes": [{"name": "a", "id": 0}]},
     {"classes": [{"name": "a"}, {"name": "a"}]}, {"classes": [{"name": "a", "colour": "red"}]},
     {"classes": [{"name": "a", "shape": 1}]}, {"classes": [{"name": "a", "key": "x"}]}, []],
)  # fmt: skip
def test_a_wrong_schema_is_one_line(content, tmp_path):
    with pytest.raises(InputError):
        parse_schema(content)
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"classes\.json"):
        read_schema(path)


def test_a_missing_or_damaged_schema_file_is_one_line(tmp_path):
    with pytest.raises(InputNotFoundError):
        read_schema(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_schema(tmp_path / "bad.json")
