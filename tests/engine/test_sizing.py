from __future__ import annotations

import pytest

from geochange.engine.sizing import choose_tile_size, parse_memory
from geochange.errors import ResourceError, UsageError


def test_tiles_are_multiples_of_file_blocks_and_checked():
    assert choose_tile_size((5000, 9000), 4) == 1024
    assert choose_tile_size((5000, 9000), 13) == 512
    assert choose_tile_size((1500, 1500), 4) == 512
    assert choose_tile_size((50, 90), 4) == 96
    assert choose_tile_size((50, 90), 4, 64) == 64
    with pytest.raises(UsageError, match="at least 16"):
        choose_tile_size((50, 90), 4, 8)


def test_a_memory_limit_makes_tiles_smaller_until_it_is_too_small():
    sizes = [
        choose_tile_size((9000, 9000), 4, tasks=4, limit_bytes=mib * 2**20)
        for mib in (4000, 900, 650, 530)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 1
    with pytest.raises(ResourceError, match="300 MiB is too small"):
        choose_tile_size((9000, 9000), 4, tasks=4, limit_bytes=300 * 2**20)


def test_memory_is_a_size():
    assert parse_memory("800MB") == 800_000_000
    assert parse_memory(2**30) == 2**30
    assert parse_memory(None) is None
    for wrong in ("much", "-1GiB", 0):
        with pytest.raises(UsageError, match="no size"):
            parse_memory(wrong)
