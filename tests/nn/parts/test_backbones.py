"""Backbones of other libraries, by stand-ins with their interfaces."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from geochange.errors import UsageError
from geochange.nn.networks.registry import build_model


class Backbone(nn.Module):
    def __init__(self, bands, widths, *, with_image):
        super().__init__()
        self.with_image = with_image
        self.levels = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1)
            for a, b in zip((bands, *widths), widths, strict=False)
        )

    def forward(self, x):
        features = [x] if self.with_image else []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


@pytest.fixture
def timm(monkeypatch):
    library = ModuleType("timm")

    def create_model(name, *, features_only, in_chans, pretrained):
        assert features_only
        assert not pretrained
        if name != "resnet18":
            msg = f"Unknown model ({name})"
            raise RuntimeError(msg)
        backbone = Backbone(in_chans, (8, 12, 16), with_image=False)
        backbone.feature_info = SimpleNamespace(
            channels=lambda: [8, 12, 16], reduction=lambda: [2, 4, 8]
        )
        return backbone

    library.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", library)


@pytest.fixture
def smp(monkeypatch):
    library = ModuleType("segmentation_models_pytorch")

    def get_encoder(name, *, in_channels, depth, weights):
        assert depth == 5
        assert weights is None
        if name != "resnet18":
            msg = f"Wrong encoder name `{name}`"
            raise KeyError(msg)
        backbone = Backbone(in_channels, (4, 8, 8, 12, 16), with_image=True)
        backbone.out_channels = (in_channels, 4, 8, 8, 12, 16)
        return backbone

    library.encoders = SimpleNamespace(get_encoder=get_encoder)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", library)


@pytest.mark.parametrize("decoder", ["pyramid", "unet"])
@pytest.mark.parametrize("bands", [4, (4, 2)])
def test_timm_backbones_are_siamese_encoders(timm, bands, decoder):
    model = build_model("siamese", bands, encoder="timm:resnet18", decoder=decoder).eval()
    dates = [torch.randn(1, count, 32, 48) for count in model.recipe.bands]
    assert model(*dates).shape == (1, 1, 32, 48)
    assert model.stride == 8
    assert model.encoder.backbone.levels[0].in_channels == 4


def test_smp_backbones_leave_the_image_out(smp):
    model = build_model("siamese", 3, encoder="smp:resnet18", decoder="unet").eval()
    assert model.encoder.widths == (4, 8, 8, 12, 16)
    assert model.encoder.strides == (2, 4, 8, 16, 32)
    assert model(torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64)).shape == (1, 1, 64, 64)


@pytest.mark.parametrize(
    ("encoder", "package"),
    [("timm:resnet18", "timm"), ("smp:resnet18", "segmentation-models-pytorch")],
)
def test_a_missing_library_names_the_pip_command(monkeypatch, encoder, package):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(UsageError, match=f"run: pip install {package}$") as caught:
        build_model("siamese", 3, encoder=encoder)
    assert "\n" not in str(caught.value)


def test_unknown_backbones_are_told(timm, smp):
    for encoder, reason in (("timm:resnt", "Unknown model"), ("smp:resnt", "Wrong encoder name")):
        with pytest.raises(
            UsageError, match=f"cannot build a backbone 'resnt' of 3 bands.*{reason}"
        ):
            build_model("siamese", 3, encoder=encoder)


@pytest.mark.parametrize("name", ["timm:", "timm:a/b", "timm:hf-hub:x", "smp:../x", ":x"])
def test_names_cannot_lead_elsewhere(timm, smp, name):
    with pytest.raises(UsageError, match="unknown backbone"):
        build_model("siamese", 3, encoder=name)
