"""Open files are bounded, and files that are read in turn are not all opened again each time."""

from geochange.io.rasters.handles import MAX_OPEN_FILES, _Pool


class Opened:
    def __init__(self, log):
        self.log = log
        log.append(1)

    def close(self):
        self.log.append(-1)


def test_a_pool_holds_no_more_than_its_bound_and_keeps_what_comes_in_turn():
    pool, log, rounds = _Pool(), [], 20
    files = MAX_OPEN_FILES + 8
    for _ in range(rounds):
        for number in range(files):
            pool.get((f"{number}.tif", 0), lambda: (Opened(log),))
            assert sum(log) <= MAX_OPEN_FILES
    opened = sum(1 for step in log if step > 0)
    assert opened < 0.6 * rounds * files


def test_a_file_that_was_written_anew_is_opened_anew():
    pool, log = _Pool(), []
    pool.get(("a.tif", 0), lambda: (Opened(log),))
    pool.get(("a.tif", 1), lambda: (Opened(log),))
    assert sum(log) == 1
    assert len(log) == 3
