import dataclasses
import tomllib

import pytest

from geochange.cli import main
from geochange.nn.learning.losses import KINDS
from geochange.nn.networks.registry import list_models
from geochange.training.settings.chips import AugmentConfig, ChipConfig, SynthesisConfig
from geochange.training.settings.config import TrainConfig, parse_config
from geochange.training.settings.data import DataConfig, SourceConfig
from geochange.training.settings.learning import (
    CardConfig,
    ComputeConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    ValidationConfig,
)
from geochange.training.settings.start import StartConfig
from geochange.training.settings.template import EXAMPLE, read_notes, write_template
from geochange.training.settings.unlabelled import UnlabelledConfig

TABLES = (
    TrainConfig,
    AugmentConfig,
    CardConfig,
    ChipConfig,
    ComputeConfig,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    SourceConfig,
    StartConfig,
    SynthesisConfig,
    UnlabelledConfig,
    ValidationConfig,
)


def test_the_template_is_a_config_of_all_defaults():
    assert parse_config(tomllib.loads(write_template())) == EXAMPLE
    assert dataclasses.replace(EXAMPLE, data=DataConfig()) == TrainConfig()


@pytest.mark.parametrize("kind", TABLES)
def test_every_setting_is_documented_and_nothing_else(kind):
    _, _, listed = kind.__doc__.partition("Attributes\n    ----------\n")
    entries = [line for line in listed.splitlines() if line[:5].strip() and " : " in line]
    named = [name for line in entries for name in line.partition(" : ")[0].strip().split(", ")]
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(kind))


def test_notes_are_read_whole_and_plain():
    notes = read_notes(ChipConfig)
    assert notes["batch_size"] == notes["size_px"]
    assert notes["max_class_share"].startswith("max_class_share: Such a chip is drawn again while")
    assert notes["max_class_share"].endswith("the most even one is kept.")
    assert "`" not in write_template()


def test_all_networks_and_losses_are_named():
    text = write_template()
    assert [name for name in list_models() if name not in text] == []
    assert [name for name in KINDS if name not in text] == []


def test_the_command_line_prints_it(capsys):
    assert main(["train", "--template"]) == 0
    assert capsys.readouterr() == (write_template(), "")
