import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from geochange.detectors.network import NetworkDetector
from geochange.errors import InputError
from geochange.nn.checkpoints.cardfile import KEY, read_card, write_json
from geochange.nn.checkpoints.checkpoint import hash_weights
from geochange.nn.checkpoints.integrity import TYPES, require_whole


def test_a_checkpoint_as_it_was_written_is_taken(checkpoint):
    require_whole(checkpoint, read_card(checkpoint))


@pytest.mark.parametrize("lost", [1, 1000])
def test_one_that_is_cut_off_is_refused_before_any_image_is_read(checkpoint, lost):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-lost])
    with pytest.raises(InputError, match=r"is damaged \(cut off: .* ends at .*; get it again"):
        NetworkDetector(checkpoint=str(checkpoint))


def test_one_flipped_bit_is_seen(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    content[-7] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match=r"not those that its card describes \(sha256\)"):
        NetworkDetector(checkpoint=str(checkpoint))


@pytest.mark.parametrize("name", list(TYPES))
def test_every_type_is_hashed_as_the_checkpoint_hashes_it(checkpoint, tmp_path, name):
    kind = getattr(torch, TYPES[name].removeprefix("torch."))
    tensors = {"b": torch.ones(2, 3, dtype=kind), "a": torch.zeros((), dtype=kind)}
    card = json.loads(write_json(read_card(checkpoint))) | {"sha256": hash_weights(tensors)}
    path = tmp_path / "typed.safetensors"
    save_file(tensors, path, metadata={KEY: json.dumps(card)})
    require_whole(path, read_card(path))


@pytest.mark.parametrize(
    "tensor",
    [
        {},
        7,
        {"dtype": "F7", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]},
        {"dtype": "F32", "shape": "many", "data_offsets": [0, 4]},
    ],
)
def test_a_header_that_lies_is_one_line(checkpoint, tmp_path, tensor):
    text = json.dumps({"a": tensor}).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(InputError, match="get it again"):
        require_whole(path, read_card(checkpoint))
