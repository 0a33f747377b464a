"""The time of a step is that of the one thread that training on few labels has."""

from __future__ import annotations

import torch
from torch import nn

from geochange.training.pace import PROBES, measure_step


class Spy(nn.Module):
    def __init__(self, seen):
        super().__init__()
        self.seen, self.weight = seen, nn.Parameter(torch.ones(()))

    def forward(self, before, after):
        self.seen.append(torch.get_num_threads())
        return self.weight * (before - after)


def test_a_step_is_timed_in_one_thread(monkeypatch):
    threads, seen = torch.get_num_threads(), []
    monkeypatch.setattr("geochange.training.pace.build_model", lambda *_: Spy(seen))
    torch.set_num_threads(2)
    try:
        assert measure_step("spy", (1, 1), {}, size_px=8, batch_size=1) >= 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1] * (PROBES + 1)
