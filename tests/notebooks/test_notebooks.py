"""The notebooks run from top to bottom and show pictures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
FIRST = "01_quickstart"
"""What every new user runs; the others take half a minute each and more."""


@pytest.fixture(scope="module")
def execute():
    spec = importlib.util.spec_from_file_location("execute", NOTEBOOKS / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.execute


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == FIRST else pytest.mark.slow)
        for path in PATHS
    ],
)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:(zmq|jupyter_client|traitlets).*")
def test_a_notebook_runs_and_shows_pictures(execute, path):
    notebook = execute(path)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 2


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_committed_notebook_is_light_and_names_no_machine(path):
    assert path.stat().st_size < 2_500_000
    text = path.read_text()
    assert "/home/" not in text
    assert nbformat.read(path, as_version=4).cells[0].cell_type == "markdown"
