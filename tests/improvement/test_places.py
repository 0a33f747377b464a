"""Places are dealt out once, change to both sides, and never change sides."""

import pytest

from geochange.errors import InputError
from geochange.improvement.places import (
    HELD_OUT,
    LEARNING,
    LabelledTile,
    find_place,
    read_roles,
    share_out,
    split,
    write_roles,
)


def tile(number, changed, columns=10):
    row, col = divmod(number - 1, columns)
    return LabelledTile(number, row, col, changed, 1000 - changed)


def test_both_sides_get_change_and_a_quarter_is_held_out():
    tiles = [tile(n, 10 * (n % 3)) for n in range(1, 81)]
    roles = share_out(tiles, 100)
    learning, held_out = split(tiles, 100, roles)
    total = sum(t.changed for t in tiles)
    assert 0.15 < sum(t.changed for t in held_out) / total < 0.35
    assert 0.1 < len(held_out) / len(tiles) < 0.35
    assert {t.number for t in learning} | {t.number for t in held_out} == {t.number for t in tiles}


def test_neighbours_in_a_square_of_tiles_share_their_side():
    roles = share_out([tile(n, 5) for n in range(1, 101)], 100)
    sides = {}
    for n in range(1, 101):
        sides.setdefault(find_place(tile(n, 5), 100), set()).add(roles[find_place(tile(n, 5), 100)])
    assert len(roles) == 25
    assert all(len(found) == 1 for found in sides.values())


def test_a_place_keeps_its_side_whatever_is_labelled_later():
    first = [tile(n, 40 - n) for n in (1, 5, 9, 41, 45)]
    roles = share_out(first, 100)
    later = share_out([*first, *(tile(n, 900) for n in (81, 85, 89, 61, 65))], 100, roles)
    assert {place: later[place] for place in roles} == roles
    assert {LEARNING, HELD_OUT} <= set(later.values())
    fewer = share_out(first[:2], 100, later)  # a tile that was opened again comes back one day
    assert fewer == later


@pytest.mark.parametrize(
    ("tiles", "said"),
    [
        ([tile(1, 50), tile(9, 0)], "no changed pixel"),
        ([tile(1, 0), tile(9, 0)], "no changed pixel"),
        ([tile(1, 1000), tile(9, 1000)], "no unchanged pixel"),
    ],
)
def test_labels_that_cannot_teach_and_judge_are_refused(tiles, said):
    with pytest.raises(InputError, match=said):
        split(tiles, 100, share_out(tiles, 100))


def test_two_places_with_change_are_enough():
    learning, held_out = split(
        [tile(1, 50), tile(9, 30)], 100, share_out([tile(1, 50), tile(9, 30)], 100)
    )
    assert [t.number for t in learning] == [1]
    assert [t.number for t in held_out] == [9]


def test_roles_are_kept_in_a_file(tmp_path):
    path = tmp_path / "held_out.json"
    assert read_roles(path) == {}
    write_roles(path, {(0, 3): HELD_OUT, (1, 0): LEARNING})
    assert read_roles(path) == {(0, 3): HELD_OUT, (1, 0): LEARNING}
