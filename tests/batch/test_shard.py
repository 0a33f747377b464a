import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.batch.shard import Shard
from geochange.errors import UsageError


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 50))
def test_shards_partition_any_ids(names, count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    assert [sum(shard.holds(name) for shard in shards) for name in names] == [1] * len(names)


def test_shards_are_even():
    names = [f"tile-{number:05d}" for number in range(8000)]
    sizes = [sum(Shard(number, 8).holds(name) for name in names) for number in range(1, 9)]
    assert min(sizes) > 900
    assert max(sizes) < 1100


def test_an_id_keeps_its_shard_for_ever():
    """Another hash would split the work of running machines anew."""
    names = ["lisbon", "31UDQ", "a", "Zürich"]
    found = [next(i for i in range(1, 9) if Shard(i, 8).holds(name)) for name in names]
    assert found == [7, 5, 8, 1]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "2", "a/b", "-1/2", "1/2/3", "", "²/3"])
def test_a_bad_shard_is_one_line(text):
    with pytest.raises(UsageError, match="such as 2/8") as caught:
        Shard.parse(text)
    assert "\n" not in str(caught.value)


def test_the_whole_keeps_plain_names():
    assert Shard.parse(None) == Shard.parse("1/1") == Shard()
    assert Shard().name("batch.jsonl") == "batch.jsonl"
    assert Shard.parse(" 2 / 8 ").name("batch.jsonl") == "batch-2of8.jsonl"
