import pytest
import torch

from geochange.nn.parts.attention import NeighbourAttention
from geochange.nn.parts.layers import Shift
from geochange.nn.parts.registry import FUSIONS, build_fusion


@pytest.mark.parametrize("spec", [*sorted(FUSIONS), "difference+sum", "product+concatenation"])
def test_a_fusion_has_the_width_it_says_and_the_symmetry(spec):
    fusion = build_fusion(spec, 8)
    before, after = torch.randn(2, 8, 6, 7), torch.randn(2, 8, 6, 7)
    fused = fusion(before, after)
    assert fused.shape == (2, fusion.width, 6, 7)
    assert torch.allclose(fused, fusion(after, before), atol=1e-6) == fusion.symmetric
    one_sided = spec == "after" or "concatenation" in spec
    assert fusion.symmetric != one_sided


@pytest.mark.parametrize("spec", ["difference", "channel"])
def test_nothing_changed_is_nothing(spec):
    date = torch.randn(1, 8, 5, 5)
    assert not build_fusion(spec, 8)(date, date).any()


def test_simple_fusions_are_what_they_are_called():
    before, after = torch.tensor([[[[1.0]], [[-2.0]]]]), torch.tensor([[[[4.0]], [[5.0]]]])
    values = {
        "after": [4, 5],
        "concatenation": [1, -2, 4, 5],
        "difference": [3, 7],
        "product": [4, -10],
        "sum": [5, 3],
    }
    for spec, expected in values.items():
        assert build_fusion(spec, 2)(before, after).flatten().tolist() == expected


def test_fusing_leaves_the_dates_as_they_are():
    for spec in FUSIONS:
        before, after = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 4, 4)
        kept = before.clone(), after.clone()
        build_fusion(spec, 8)(before, after)
        assert torch.equal(before, kept[0])
        assert torch.equal(after, kept[1])


def test_attention_forgives_a_small_shift_where_difference_does_not():
    before = torch.randn(1, 16, 20, 20) * 3
    after = torch.roll(before, (1, -1), (2, 3))
    fusion = NeighbourAttention(16)
    eye = torch.eye(8, 16).reshape(8, 16, 1, 1)
    fusion.query_key.weight.data.copy_(5 * eye)
    inside = (..., slice(3, -3), slice(3, -3))
    with torch.inference_mode():
        seen = fusion(before, after)[inside].mean()
    assert float(seen) < 0.2 * float((before - after).abs()[inside].mean())


def test_attention_is_that_of_the_formula():
    """One pixel by hand, in float64."""
    fusion = NeighbourAttention(4).double()
    fusion.place.data.normal_()
    before, after = (torch.randn(1, 4, 3, 3, dtype=torch.float64) for _ in range(2))
    keys = [fusion.query_key(date)[0] for date in (before, after)]

    def look(query, key, value):
        logits = [
            float((query[:, 1, 1] * key[:, 1 + row, 1 + col]).sum()) * 8**-0.5 + float(bias)
            for (row, col), bias in zip(fusion.steps, fusion.place.detach(), strict=True)
        ]
        share = torch.tensor(logits, dtype=torch.float64).softmax(0)
        cells = [value[0, :, 1 + row, 1 + col] for row, col in fusion.steps]
        return sum(s * c for s, c in zip(share, cells, strict=True))

    with torch.inference_mode():
        there = (before[0, :, 1, 1] - look(keys[0], keys[1], after)).abs()
        back = (after[0, :, 1, 1] - look(keys[1], keys[0], before)).abs()
        torch.testing.assert_close(fusion(before, after)[0, :, 1, 1], (there + back) / 2)


@pytest.mark.parametrize(("rows", "cols"), [(0, 0), (1, 0), (-1, 2), (0, -2), (2, 2)])
def test_shifting_reads_where_it_says(rows, cols):
    x = torch.arange(30.0).reshape(1, 1, 5, 6) + 1
    moved = Shift()(x, rows, cols)
    for row in range(5):
        for col in range(6):
            inside = 0 <= row + rows < 5 and 0 <= col + cols < 6
            expected = x[0, 0, row + rows, col + cols] if inside else 0
            assert float(moved[0, 0, row, col]) == float(expected)
