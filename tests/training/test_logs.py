"""Logs: a table that a resumed run continues, events that TensorBoard reads, a picture."""

from __future__ import annotations

import struct

import pytest
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from geochange.training.logs import TrainingLog, read_table


def row(step, **figures):
    return {"step": step, "learning_rate": 0.1, "train_loss": 1 / step, **figures}


def read_events(folder):
    """Read TensorBoard's framing: length, checksum, event, checksum."""
    found = {}
    for path in sorted((folder / "logs").iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (size,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + size])
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
            place += 16 + size
    return found


def test_rows_events_and_picture(tmp_path):
    log = TrainingLog(tmp_path)
    for step in (2, 4):
        log.write(row(step))
    log.write(row(6, val_f1=0.5, val_loss=0.2))
    log.draw()
    log.close()
    assert read_table(tmp_path)[-1] == row(6, val_f1=0.5, val_loss=0.2)
    events = read_events(tmp_path)
    assert events["train/loss", 2] == pytest.approx(0.5)
    assert events["val/f1", 6] == pytest.approx(0.5)
    assert events["speed/steps_per_s", 6] > 0
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size[0] > 300
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_a_resumed_log_is_that_of_an_unbroken_run(tmp_path):
    logs = {}
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        logs[name] = TrainingLog(tmp_path / name)
    for step in (2, 4, 6, 8):
        logs["whole"].write(row(step, val_f1=step / 10))
    for step in (2, 4, 6):
        logs["broken"].write(row(step, val_f1=step / 10))
    logs["broken"].stream.write("8,0.1,0.1")
    for log in logs.values():
        log.close()
    resumed = TrainingLog(tmp_path / "broken", step=4)
    for step in (6, 8):
        resumed.write(row(step, val_f1=step / 10))
    resumed.close()
    tables = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("whole", "broken")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("cut", ["1", "10,", "10,0.1,0.", "10,0.1,1e-", "2,0.5,0.1"])
def test_a_row_cut_short_by_a_kill_is_dropped(tmp_path, cut):
    log = TrainingLog(tmp_path)
    for step in (5, 7):
        log.write(row(step))
    log.stream.write(cut)
    log.close()
    kept = TrainingLog(tmp_path, step=7)
    kept.close()
    assert [r["step"] for r in read_table(tmp_path)] == [5, 7]
