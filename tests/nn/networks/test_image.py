"""Networks for whole images give one logit a chip, whatever is around it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from geochange.errors import InputError, UsageError
from geochange.nn.checkpoints.card import Band, Card, Recall
from geochange.nn.checkpoints.cardfile import read_json, write_json
from geochange.nn.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.image import shrink_image, shrink_mask
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.normalization import Scaling, SceneNormalization

SMALL = {"widths": (4, 8), "depths": (0, 1), "width": 8}
PAN = (Band("pan"),)
POINTS = (Recall(0.9, 0.4, 0.1), Recall(0.99, 0.2, 0.3))
CARD = Card("demo", PAN, PAN, SceneNormalization(), task="image", image_px=32, recalls=POINTS)


def small(bands=1, **options):
    torch.manual_seed(0)
    return build_model("image", bands, **(SMALL | options)).eval()


def dates(count=2, bands=1, size=32):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(count, bands, size, size, generator=generator) for _ in range(2)]


def test_it_is_listed_for_its_task_alone():
    assert list_models("image") == ("image",)
    assert "image" in list_models()
    assert "image" not in list_models("pixels")


@pytest.mark.parametrize("size", [32, 64, 96])
def test_one_logit_a_chip_of_any_size(size):
    assert small()(*dates(size=size)).shape == (2, 1, 1, 1)


def test_a_chip_does_not_see_its_neighbours_in_the_batch():
    model, (before, after) = small(), dates(count=3)
    torch.testing.assert_close(model(before, after)[1:2], model(before[1:2], after[1:2]))


def test_exchanged_dates_give_the_same_logit():
    model, (before, after) = small(), dates()
    assert model.symmetric
    torch.testing.assert_close(model(before, after), model(after, before))


def test_one_date_is_the_after_date():
    model, (before, after) = small(dates=1), dates()
    torch.testing.assert_close(model(before, after), model(after, after))
    assert not torch.allclose(model(before, after), model(after, before))


def test_training_reaches_every_weight():
    model = small(3).train()
    sum(logits.sum() for logits in model.deep(*dates(bands=3))).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("option", [{"shrink": 3}, {"dates": 3}])
def test_options_that_cannot_be_are_refused(option):
    with pytest.raises(UsageError, match=next(iter(option))):
        small(**option)


def test_shrinking_is_the_mean_of_squares():
    image = torch.arange(64.0).reshape(1, 8, 8)
    expected = torch.nn.functional.avg_pool2d(image, 4)
    torch.testing.assert_close(shrink_image(image, 4), expected)
    assert shrink_image(image, 1) is image
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0, 3] = False
    assert shrink_mask(mask, 2).tolist() == [[True, False], [True, True]]


def test_the_predictor_gives_the_probability_of_the_network():
    model, unit = small(3), Scaling((0.5,) * 3, (2.0,) * 3)
    before, after = dates(count=4, bands=3)
    valid = torch.ones(4, 32, 32, dtype=torch.bool)
    predict = Predictor(model, (unit, unit), device="cpu", precision="fp32", temperature=2.0)
    with torch.inference_mode():
        logits = model((before - 0.5) / 2, (after - 0.5) / 2)
    expected = torch.sigmoid(logits / 2).reshape(4, 1, 1)
    torch.testing.assert_close(predict(before, after, valid), expected, atol=1e-5, rtol=1e-5)


def test_a_checkpoint_keeps_task_and_recalls(tmp_path):
    path = tmp_path / "image.safetensors"
    written = save_checkpoint(path, small(), CARD)
    model, card = load_checkpoint(path)
    assert card == written
    assert (card.task, card.image_px, card.recalls) == ("image", 32, POINTS)
    assert (card.halo, card.windowed, card.stride) == (0, False, model.stride)
    torch.testing.assert_close(model(*dates()), small()(*dates()))


def test_a_card_for_another_task_is_refused(tmp_path):
    wrong = replace(CARD, task="pixels", image_px=0)
    with pytest.raises(UsageError, match="task 'pixels'"):
        save_checkpoint(tmp_path / "a.safetensors", small(), wrong)


def test_cards_without_a_task_are_for_pixels():
    text = write_json(replace(CARD, task="pixels", image_px=0, recalls=()))
    for name in ("task", "image_px", "recalls"):
        text = text.replace(f'"{name}"', f'"older_{name}"')
    assert read_json(text, "card").task == "pixels"


@pytest.mark.parametrize(
    ("old", "new"), [('"task": "image"', '"task": "sound"'), ('"recall": 0.9,', '"recall": 9,')]
)
def test_hostile_cards_are_refused(old, new):
    text = write_json(CARD)
    assert old in text
    with pytest.raises(InputError, match="card"):
        read_json(text.replace(old, new), "card")
