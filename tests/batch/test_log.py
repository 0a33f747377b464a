import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from geochange.batch.log import BatchLog, list_failed
from geochange.batch.results import ItemResult
from geochange.errors import OutputError


def test_a_line_cut_short_costs_no_other(tmp_path):
    path = tmp_path / "batch.jsonl"
    BatchLog(path).add(ItemResult("a", "failed"))
    with path.open("a") as file:
        file.write('{"time": "2024-01-01T00:00:00Z", "id": "b", "sta')
    BatchLog(path).add(ItemResult("c", "failed"))
    assert list_failed(tmp_path) == {"a", "c"}
    assert path.read_text().count("\n") == 3


def test_the_last_event_of_all_shards_counts(tmp_path):
    def write(name, *events):
        lines = [json.dumps({"time": t, "id": i, "status": s}) for t, i, s in events]
        (tmp_path / name).write_text("\n".join(lines) + "\n")

    write(
        "batch.jsonl",
        ("2024-01-01T00:00:09Z", "a", "done"),
        ("2024-01-01T00:00:01Z", "b", "failed"),
    )
    write("batch-1of2.jsonl", ("2024-01-01T00:00:05Z", "a", "failed"))
    write("batch-2of2.jsonl", ("2024-01-01T00:00:05Z", "b", "failed"))
    assert list_failed(tmp_path) == {"b"}


def test_threads_do_not_mix_their_lines(tmp_path):
    log = BatchLog(tmp_path / "batch.jsonl")
    names = [f"item{number}" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: log.add(ItemResult(name, "done", "x" * 500)), names))
    events = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert sorted(event["id"] for event in events) == sorted(names)
    assert log.result_of("item7").status == "done"
    assert log.result_of("other").status == "pending"


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "batch.jsonl").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        BatchLog(tmp_path / "batch.jsonl").add(ItemResult("a", "done"))
