"""Files made to do harm: nothing in them is run, nothing leaves its folder, nothing is endless."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import genobench
from genobench import bounded
from genobench.cli import main
from genobench.cohort import Cohort
from genobench.data import cache, delimited
from genobench.data.convert import _member
from genobench.data.delimited import read_table
from genobench.errors import GenobenchError
from genobench.registry import find_generator
from genobench.report import leaderboard
from genobench.report.plain import align, listing, visible, wrap
from genobench.report.reading import read_records
from genobench.run import merging, record
from genobench.run.store import Store, read_record
from genobench.run.worker import stored_sample

from .readers import READERS, put

ROOT = Path(genobench.__file__).parents[1]
ROOMS = ("genobench", "baselines", "tasks")
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "tarfile",
    "urllib", "ftplib", "telnetlib", "xml", "commands", "pty",
}  # fmt: skip
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save",
    "np.loadtxt", "np.genfromtxt", "pd.read_pickle", "pd.eval", "pd.read_html", "pd.read_xml",
    "subprocess.getoutput", "os.execv", "os.execvp", "shutil.unpack_archive", "requests.get",
}  # fmt: skip
FORBIDDEN_METHODS = {"extract", "extractall", "to_pickle"}
FETCHES = {"genobench/data/public.py"}  # where a download is made, by pinned hash


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the product, parsed."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def offences(tree: ast.Module) -> Iterator[str]:
    """What a module may not do, with the line."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            if name.partition(".")[0] in FORBIDDEN_MODULES:
                yield f"line {node.lineno}: imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {fault}" for fault in _call(node))


def _call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    options = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if called in FORBIDDEN_CALLS or called.rpartition(".")[2] in FORBIDDEN_METHODS:
        yield called
    if options.get("shell", "False") != "False":
        yield f"{called} with a shell"
    if called in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
        yield f"{called} without allow_pickle=False"
    if called == "pooch.retrieve" and "sha256:" not in options.get("known_hash", ""):
        yield f"{called} without a pinned hash"


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell() -> None:
    """Nor is an archive unpacked, or anything fetched, but by the one function that pins a hash."""
    found = [f"{name}, {fault}" for name, tree in sources() for fault in offences(tree)]
    assert not found, "\n".join(found)
    fetching = {name for name, tree in sources() if "pooch.retrieve" in ast.unparse(tree)}
    assert fetching == FETCHES


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from yaml import load", "subprocess.run('ls', shell=True)",
        "np.load(path)", "torch.load(path)", "eval(text)", "archive.extractall(folder)",
        "pooch.retrieve(address, known_hash=None)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    """Each kind of offence, once."""
    assert len(list(offences(ast.parse(source)))) == 1


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (os.mkdir, (os.environ["BOMB"],))


def test_pickles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of a sample, of a cached cohort and of a model's state."""
    monkeypatch.setenv("BOMB", str(tmp_path / "burst"))
    objects = np.array([Bomb()], dtype=object)
    np.save(tmp_path / "sample.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "cohort.npz", genotypes=objects)
    (tmp_path / "state.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(GenobenchError, match=r"sample\.npy"):
        stored_sample(tmp_path / "sample.npy", "0" * 64)
    assert cache.fetch(tmp_path / "cohort.npz") is None
    with pytest.raises(ValueError, match=r"."):
        bounded.read_tensors(tmp_path / "state.safetensors")
    assert not (tmp_path / "burst").exists()


def test_sizes_are_limited(tmp_path: Path) -> None:
    """Of text and of tensors; the file says how large it is before it is read."""
    text, tensors = tmp_path / "a.json", tmp_path / "a.safetensors"
    text.write_text("[1, 2, 3]")
    save_file({"a": np.zeros(100)}, tensors)
    assert bounded.read_json(text, 9) == [1, 2, 3]
    with pytest.raises(ValueError, match="9 bytes, more than the 8"):
        bounded.read_json(text, 8)
    with pytest.raises(ValueError, match="more than the 500"):
        bounded.read_tensors(tensors, 500)
    for nested in ("[" * 100_000, '{"a":' * 100_000):
        text.write_text(nested)
        with pytest.raises(ValueError, match=r"nested too deeply"):
            bounded.read_json(text)


def test_huge_record_is_not_read(tmp_path: Path) -> None:
    """A sparse file of 3 GB that claims to be one is refused by its size."""
    path = tmp_path / f"{'7' * 64}.json"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(GenobenchError, match=r"3,221,225,472 bytes, more than"):
        read_record(path)


def test_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end is given up at the limit, whatever it unpacks to."""
    monkeypatch.setattr(delimited, "LONGEST_LINE", 10_000)
    path = tmp_path / "pheno.tsv.gz"
    path.write_bytes(gzip.compress(b"FID\tIID\tx\n" + b"0" * 50_000_000))
    with pytest.raises(GenobenchError, match=r"pheno\.tsv\.gz: not a text table: a line"):
        read_table(path)


def test_archive_members_stay_in_memory(tmp_path: Path) -> None:
    """One member is read by its name; others, wherever they point, are never written."""
    path = tmp_path / "in" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.csv", "content")
        archive.writestr("../escaped", "no")
        archive.writestr("/tmp/escaped", "no")
    assert _member(path, "good.csv") == b"content"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "in"]


def hostile_record(folder: Path, **job: Any) -> Path:
    """A run that holds one record, changed."""
    (reader,) = (r for r in READERS if r.name == "record")
    (folder / "records").mkdir(parents=True)
    put(reader.good[0], folder / "records")
    (path,) = (folder / "records").iterdir()
    content = json.loads(path.read_text())
    content["job"] |= job
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("key", ["../../../../escaped", "/tmp/escaped", "..", "a/b", ""])
def test_data_key_is_no_path(tmp_path: Path, key: str) -> None:
    """A record that is merged, or tabulated, names no folder outside the run."""
    path = hostile_record(tmp_path / "theirs", data_key=key)
    with pytest.raises(GenobenchError, match="data_key"):
        read_record(path)
    with pytest.raises(GenobenchError, match="data_key"):
        merging.merge([tmp_path / "theirs"], tmp_path / "ours")
    if key:  # tables of files that were judged from outside have none
        with pytest.raises(GenobenchError, match="data_key"):
            read_records(path.parent)
    assert not (tmp_path / "ours").exists()


MODULE = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


def test_record_names_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`reproduce` loads what the user typed, or typed before: not a file that a record names."""
    evil = tmp_path / "theirs" / "evil.py"
    path = hostile_record(tmp_path / "theirs", spec=f"{evil}:Mine", model="evil")
    evil.write_text(MODULE)
    sha256 = json.loads(path.read_text())["software"]["plugin_sha256"]
    for noted in ({sha256: f"{evil}:Mine"}, {"specs": {sha256: f"{evil}:Mine"}, "seal": "0" * 64}):
        (tmp_path / "theirs" / "plugins.json").write_text(json.dumps(noted))
        assert main(["reproduce", str(path), "--out", str(tmp_path / "ours")]) == 2
        assert "say where with --model" in capsys.readouterr().err
    assert not evil.with_name("ran").exists()


def test_places_that_the_user_typed_are_kept(tmp_path: Path) -> None:
    """By this user and on this machine alone: any change of the file undoes it."""
    store = Store(tmp_path)
    store.note_specs({"1" * 64: "mine.py:Mine"})
    assert store.specs() == {"1" * 64: "mine.py:Mine"}
    path = tmp_path / "plugins.json"
    path.write_text(path.read_text().replace("mine.py", "evil.py"))
    assert store.specs() == {}


def test_model_folder_names_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`sample` runs no file that a folder from elsewhere names."""
    evil = tmp_path / "evil.py"
    evil.write_text(MODULE)
    model = tmp_path / "model"
    model.mkdir()
    about = {"spec": f"{evil}:Mine", "model": "evil", "plugin_sha256": "0" * 64, "seal": "1" * 64,
             "trait": {"name": "t", "kind": "binary"}}  # fmt: skip
    (model / "genobench.json").write_text(json.dumps(about))
    (model / "variants.tsv").write_text("chrom\tpos\tid\tcounted\tother\n1\t1\ta\tA\tG\n")
    np.save(model / "labels.npy", np.zeros(2, np.float32))
    assert main(["sample", str(model), "--out", str(tmp_path / "x.bed")]) == 2
    assert "was not fitted by you on this machine" in capsys.readouterr().err
    assert not evil.with_name("ran").exists()


@pytest.mark.parametrize("spec", ["evil", "os", "os:system", "evil.py", "http://x/evil.py:Mine"])
def test_plugin_is_installed_or_a_file(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is not looked for in the current folder, on the path of imports, or on the network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text(MODULE)
    (tmp_path / "evil.toml").write_text('class = "Mine"\ntitle = "Mine"\n')
    with pytest.raises(GenobenchError):
        find_generator(spec)
    assert not (tmp_path / "ran").exists()


ACTIVE = "\x1b[2J\x1b]0;owned\x07\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}\r\ud800"


def test_terminal_takes_no_orders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names out of files cannot move the cursor, in messages or in tables."""
    (tmp_path / "x.tsv").write_text(f"FID\tIID\tname{ACTIVE[:-1]}\n".replace("\r", ""))
    for text in (*align([[ACTIVE, "b"]]), *wrap(ACTIVE, 80), *listing([["a", ACTIVE]])):
        assert visible(text) == text
        assert "\\x1b[2J" in text
    assert visible("plain text, é, 日本\n\ttab") == "plain text, é, 日本\n\ttab"
    evil = tmp_path / "evil\x1b[2J.bed"
    assert main(["data", "prepare", str(evil), "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1"])
def test_tables_hold_no_formula(text: str) -> None:
    """What a spreadsheet would compute begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out).writerow([leaderboard._field(text)])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert row[0].startswith("'")
    assert leaderboard._field("vae(width=3)") == "vae(width=3)"
    assert leaderboard._field(-1.5) != "'-1.5"


def test_records_are_checked_before_they_are_used(tmp_path: Path) -> None:
    """Not-a-number and halves of characters do not come through."""
    for number, value in enumerate(("NaN", "1e999", '"\\ud800"')):
        path = hostile_record(tmp_path / str(number))
        path.write_text(path.read_text().replace('"width": 3', f'"width": {value}'))
        with pytest.raises(GenobenchError, match=r"not finite|not a readable record"):
            read_record(path)
    assert record.SCHEMA == 1


def test_cache_keeps_no_code(tmp_path: Path, toy: Cohort) -> None:
    """What is kept of a cohort can be read without unpickling."""
    cache.store(toy, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)
