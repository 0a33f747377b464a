import pytest
import torch

from geochange.io.stores.score import SCORE_LEVELS
from geochange.nn.inference.devicelink import (
    LEVELS,
    DeviceLink,
    from_levels,
    open_link,
    pack,
    to_levels,
)
from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import Scaling

UNIT = Scaling((100.0, 90.0, 80.0), (20.0, 30.0, 40.0))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], torch.uint8),
        ([0, 256], torch.uint16),
        ([0, 65535], torch.uint16),
        ([0, 65536], torch.float32),
        ([-1, 5], torch.float32),
        ([0.5, 5], torch.float32),
        ([float("nan"), 5], torch.float32),
        ([float("inf"), 5], torch.float32),
    ],
)
def test_pixels_travel_in_the_smallest_type_that_is_exact(values, dtype):
    date = torch.tensor(values, dtype=torch.float32).reshape(1, 1, 1, 2)
    packed = pack(date)
    assert packed.dtype == dtype
    torch.testing.assert_close(packed.float(), date, rtol=0, atol=0, equal_nan=True)


def test_invalid_pixels_do_not_decide_the_type():
    date = torch.tensor([3.0, float("nan"), 7.0, -1e38]).reshape(1, 1, 2, 2)
    mask = torch.tensor([[[True, False], [True, False]]])
    assert pack(date, mask).tolist() == [[[[3, 0], [7, 0]]]]
    assert pack(date, mask).dtype == torch.uint8
    assert pack(date).dtype == torch.float32


def test_stored_scores_are_those_of_the_files():
    assert SCORE_LEVELS - 1 == LEVELS
    levels = torch.arange(LEVELS + 1).to(torch.uint16)
    assert torch.equal(to_levels(from_levels(levels)).int(), levels.int())
    score = torch.rand(1000)
    assert float((from_levels(to_levels(score)) - score).abs().max()) <= 0.51 / LEVELS


class Slow(DeviceLink):
    """Travels as a GPU's does, on the processor, and notes the order of what happens."""

    parts = 4

    def __init__(self):
        self.notes = []

    def send(self, before, after, valid):
        self.notes.append(f"send {len(before)}")
        mask = None if bool(valid.all()) else valid
        return pack(before, mask), pack(after, mask), mask

    def fetch(self, score):
        return to_levels(score)

    def collect(self, fetched):
        self.notes.append("collect")
        return from_levels(fetched)


@pytest.fixture
def model(shake):
    return shake(build_model("tinysiam", 3, widths=(8, 12, 16)))


def make_batch(count=7):
    before, after = torch.randint(0, 4000, (2, count, 3, 40, 48)).float()
    valid = torch.rand(count, 40, 48) > 0.1
    before[:, 0][~valid] = float("nan")
    return before, after, valid


def test_a_batch_travels_in_parts_the_next_before_the_last_is_collected(model):
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    batch = make_batch()
    expected = predict(*batch)
    predict._link = Slow()
    found = predict(*batch)
    assert float((found - expected)[batch[2]].abs().max()) < 1e-5
    order = ["send 2", "send 2", "collect", "send 2", "collect", "send 1", "collect", "collect"]
    assert predict._link.notes == order


def test_running_out_of_memory_on_the_way_loses_nothing(model):
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    batch = make_batch()
    expected = predict(*batch)
    predict._link = link = Slow()
    honest, run = predict._edged.forward, []

    def cramped(before, after):
        run.append(len(before))
        if len(before) > 1 and len(run) > 1:
            raise torch.OutOfMemoryError
        return honest(before, after)

    predict._edged.forward = cramped
    found = predict(*batch)
    assert float((found - expected)[batch[2]].abs().max()) < 1e-5
    assert predict.batch_size == 1
    assert "send 1" in link.notes


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_integers_score_as_the_same_numbers(model, dtype):
    before, after, valid = make_batch(2)
    valid[:] = True
    dates = [(date % 256).nan_to_num().to(dtype) for date in (before, after)]
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    torch.testing.assert_close(
        predict(*dates, valid), predict(*(d.float() for d in dates), valid), rtol=0, atol=0
    )


def test_a_processor_has_no_way_to_go():
    assert type(open_link(torch.device("cpu"))) is DeviceLink
