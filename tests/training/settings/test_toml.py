"""TOML to dataclasses and back: errors name the key, nothing is lost on the way."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.training.settings.toml import build, override, read_toml, to_table, write_toml


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    name: str = "x"


@dataclass(frozen=True)
class Outer:
    steps: int = 3
    flag: bool = False
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    words: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    free: dict[str, object] = field(default_factory=dict)
    maybe: int | None = None


def test_tables_become_dataclasses_and_tables_again():
    table = {
        "steps": 9,
        "flag": True,
        "inner": {"rate": 1},
        "many": [{"name": "a"}, {}],
        "words": ["b"],
        "numbers": [1, 2.5],
        "free": {"widths": [1, 2]},
        "maybe": 4,
    }
    built = build(Outer, table)
    assert built.inner.rate == 1.0
    assert isinstance(built.inner.rate, float)
    assert built.many == (Inner(name="a"), Inner())
    assert built.numbers == (1.0, 2.5)
    assert build(Outer, tomllib.loads(write_toml(to_table(built)))) == built
    assert build(Outer, tomllib.loads(write_toml(to_table(Outer())))) == Outer()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"stepz": 1}, "unknown key 'stepz'; did you mean 'steps'?"),
        ({"inner": {"rat": 1}}, "unknown key 'rat' in [inner]; did you mean 'rate'?"),
        ({"many": [{"rat": 1}]}, "unknown key 'rat' in [many]"),
        ({"steps": 1.5}, "'steps' needs a whole number, got 1.5"),
        ({"steps": True}, "'steps' needs a whole number, got True"),
        ({"flag": 1}, "'flag' needs true or false, got 1"),
        ({"inner": 3}, "'inner' needs a table, [inner], got 3"),
        ({"inner": {"name": 3}}, "'inner.name' needs a string, got 3"),
        ({"many": {}}, "'many' needs tables, [[many]], got {}"),
        ({"words": "a"}, "'words' needs a list in brackets, got 'a'"),
        ({"numbers": ["a"]}, "'numbers' needs a number, got 'a'"),
        ({"free": 1}, "'free' needs a table"),
    ],
)
def test_errors_name_the_key_and_what_was_expected(table, words):
    with pytest.raises(UsageError) as error:
        build(Outer, table)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_single_settings_are_replaced_without_touching_the_table():
    table = {"inner": {"rate": 1.0}}
    changed = override(table, {"inner.rate": "2e-3", "inner.name": "word", "words": "['a']"})
    assert changed == {"inner": {"rate": 0.002, "name": "word"}, "words": ["a"]}
    assert table == {"inner": {"rate": 1.0}}
    with pytest.raises(UsageError, match="'steps' is no table"):
        override({"steps": 3}, {"steps.more": 1})


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputNotFoundError, match="no config file at"):
        read_toml(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("steps = = 3")
    with pytest.raises(InputError, match=r"bad.toml is no TOML: .*line 1"):
        read_toml(tmp_path / "bad.toml")


values = st.one_of(
    st.text(), st.integers(-(2**62), 2**62), st.booleans(), st.floats(allow_nan=False)
)
tables = st.recursive(
    st.dictionaries(st.text(), st.one_of(values, st.lists(values))),
    lambda inner: st.dictionaries(st.text(), st.one_of(inner, st.lists(inner, min_size=1))),
    max_leaves=8,
)


@given(tables)
def test_any_table_survives_toml(table):
    assert tomllib.loads(write_toml(table)) == table
