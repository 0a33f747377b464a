"""The flagship learns what a difference of pixels cannot tell."""

import numpy as np
import torch

from geochange.nn.learning.losses import build_loss
from geochange.nn.networks.registry import build_model


def draw(rng, count=4, size=64):
    """Bright squares on noise; one that appears counts, one that only gets brighter does not."""
    before = rng.normal(0, 0.3, (count, 1, size, size))
    after = before + rng.normal(0, 0.3, before.shape)
    truth = np.zeros((count, size, size), np.uint8)
    for image in range(count):
        for kind in ("new", "brighter"):
            row, col = rng.integers(4, size - 20, 2)
            place = (slice(row, row + 12), slice(col, col + 12))
            after[image, 0][place] += 3
            if kind == "new":
                truth[image][place] = 1
            else:
                before[image, 0][place] += 3
                after[image, 0][place] += 3
                truth[image][place] = 0
    dates = (torch.from_numpy(date.astype(np.float32)) for date in (before, after))
    return (*dates, torch.from_numpy(truth))


def test_the_flagship_tells_new_objects_from_brighter_ones():
    rng = np.random.default_rng(0)
    model = build_model("tinysiam", 1, widths=(8, 16, 16)).train()
    loss = build_loss("bce+dice")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        before, after, truth = draw(rng)
        deep = model.deep(before, after)
        assert all(torch.isfinite(logits).all() for logits in deep)
        optimizer.zero_grad()
        loss(deep[0], truth).backward()
        optimizer.step()
    before, after, truth = draw(np.random.default_rng(99), count=8)
    with torch.inference_mode():
        found = model.eval()(before, after)[:, 0] > 0
    hits = int((found & (truth == 1)).sum())
    f1 = 2 * hits / (int(found.sum()) + int((truth == 1).sum()))
    assert f1 > 0.9
