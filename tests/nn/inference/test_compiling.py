import pytest
import torch

from geochange.nn.inference import compiling
from geochange.nn.inference.compiling import FasterRun

DATES = torch.rand(2, 1, 1, 8, 8)


def plain(before, after):
    return before - after


def make(monkeypatch, seconds=(2, 1), *, wrong=False):
    """Return what chooses, the compiled form, and what was timed; seconds of plain, compiled."""
    timed = []

    def compiled(before, after):
        return plain(before, after) * (-5 if wrong else 1)

    def time(run, dates):
        timed.append(run)
        return seconds[run is compiled]

    monkeypatch.setattr(torch, "compile", lambda run: compiled)
    monkeypatch.setattr(compiling, "_time", time)
    return FasterRun(plain, torch.sigmoid, precision="fp32"), compiled, timed


@pytest.mark.parametrize(("seconds", "kept"), [((2, 1), True), ((1, 2), False)])
def test_the_compiled_network_is_kept_only_when_it_is_faster(monkeypatch, seconds, kept):
    run, compiled, timed = make(monkeypatch, seconds)
    for _ in range(3):
        torch.testing.assert_close(run(*DATES), plain(*DATES))
    assert timed == [compiled, plain]
    assert run.chosen is (compiled if kept else plain)


def test_a_compiled_network_that_is_wrong_is_not_kept(monkeypatch):
    run, _, _ = make(monkeypatch, wrong=True)
    torch.testing.assert_close(run(*DATES), plain(*DATES))
    assert run.chosen is plain


def test_no_compiler_is_no_error(monkeypatch):
    def fail(run):
        msg = "no C++ compiler"
        raise RuntimeError(msg)

    run, _, _ = make(monkeypatch)
    monkeypatch.setattr(torch, "compile", fail)
    torch.testing.assert_close(run(*DATES), plain(*DATES))
