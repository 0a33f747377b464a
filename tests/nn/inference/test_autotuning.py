import json
import os

import pytest
import torch

from geochange.nn.inference import compiling
from geochange.nn.inference.autotuning import describe_situation, locate_verdicts, recall, remember
from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import Scaling

UNIT = Scaling((0.0,), (1.0,))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "geochange.nn.inference.autotuning.user_cache_path", lambda *_, **__: tmp_path / "g"
    )
    return tmp_path


def situation(**changes):
    found = describe_situation("a1", torch.device("cpu"), "fp32", [[1, 1, 16, 16]])
    return {**found, **changes}


def test_a_verdict_is_recalled_for_the_same_situation_alone():
    assert recall(situation()) is None
    remember(situation(), faster=True)
    assert recall(situation()) is True
    for change in ({"weights": "b2"}, {"precision": "bf16"}, {"torch": "9"}, {"threads": 99}):
        assert recall(situation(**change)) is None
    remember(situation(), faster=False)
    assert recall(situation()) is False
    assert len(list(locate_verdicts().iterdir())) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[true]", '{"faster": 1}', '{"faster": "true"}', "[" * 9999, "\xff\x00"]
)
def test_nothing_but_a_boolean_is_believed(text):
    remember(situation(), faster=True)
    [path] = locate_verdicts().iterdir()
    path.write_text(text, encoding="latin-1")
    assert recall(situation()) is None


def test_a_cache_that_cannot_be_written_is_no_error(cache):
    (cache / "g").write_text("a file where a folder should be")
    remember(situation(), faster=True)
    assert recall(situation()) is None


def test_the_file_tells_people_what_it_is_about():
    remember(situation(), faster=True)
    [path] = locate_verdicts().iterdir()
    assert json.loads(path.read_text()) == {**situation(), "faster": True}
    assert os.listdir(path.parent) == [path.name]


@pytest.fixture
def run(monkeypatch):
    """Score in a new process, as it were: ``run(weights, wrong=...)`` returns what was timed."""
    model = build_model("tinysiam", 1, widths=(8, 8, 8))
    date, valid = torch.zeros(1, 1, 16, 16), torch.ones(1, 16, 16, dtype=torch.bool)

    def score(weights, *, wrong=False):
        timed = []
        predict = Predictor(
            model, (UNIT, UNIT), device="cpu", precision="fp32", compiled=True, weights=weights
        )
        plain = predict._plain

        def compiled(*dates):
            return plain(*dates) * (-5 if wrong else 1)

        def time(tried, _):
            timed.append(tried)
            return 1 if tried is compiled else 2

        monkeypatch.setattr(torch, "compile", lambda _: compiled)
        monkeypatch.setattr(compiling, "_time", time)
        predict(date, date, valid)
        return len(timed), predict._run.chosen is compiled

    return score


def test_a_second_run_does_not_time_again(run):
    assert run("a") == (2, True)
    assert run("a") == (0, True)
    assert run("b") == (2, True)


def test_without_a_hash_nothing_is_remembered(run):
    assert run("") == run("") == (2, True)
    assert not locate_verdicts().exists()


def test_a_verdict_does_not_vouch_for_right_scores(run):
    assert run("a") == (2, True)
    assert run("a", wrong=True) == (0, False)
    assert run("b", wrong=True) == (2, False)
    assert run("b") == (0, False)
