import pytest

from geochange.exports.paths import locate


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/in/a.tif", "../in/a.tif"),
        ("file:///data/in/a%20b.tif", "../in/a b.tif"),
        ("/vsizip//data/a.zip/b.tif", "/vsizip//data/a.zip/b.tif"),
        ("zip:///data/a.zip!in/b.tif", "/vsizip//data/a.zip/in/b.tif"),
        ("zip+https://x.org/a.zip!b.tif", "/vsizip//vsicurl/https://x.org/a.zip/b.tif"),
        ("https://x.org/a.tif", "/vsicurl/https://x.org/a.tif"),
        ("s3://bucket/a.tif", "/vsis3/bucket/a.tif"),
        ('NETCDF:"/data/a.nc":red', 'NETCDF:"/data/a.nc":red'),
    ],
)
def test_every_kind_of_name_is_one_that_gdal_opens_from_the_folder(path, expected):
    assert locate(path, "/data/out") == expected


def test_links_are_resolved_on_both_sides(tmp_path):
    image = tmp_path / "in" / "a.tif"
    image.parent.mkdir()
    image.touch()
    deep = tmp_path / "x" / "y" / "out"
    deep.mkdir(parents=True)
    (tmp_path / "link").symlink_to(deep)
    (tmp_path / "alias.tif").symlink_to(image)
    assert (deep / locate(image, tmp_path / "link")).samefile(image)
    assert (deep / locate(tmp_path / "alias.tif", tmp_path / "link")).samefile(image)
