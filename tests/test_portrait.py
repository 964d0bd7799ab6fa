"""Portraits: the shapes of figures on the page, of the same people, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.commands.making import cards
from genobench.data.split import Split
from genobench.errors import GenobenchError
from genobench.report import leaderboard, page_portraits, portrait
from genobench.report.plots import ancestry, linkage
from genobench.report.plots.cohorts import Made, People, load_people, load_samples
from genobench.report.plots.folder import FAMILIES
from genobench.report.plots.portray import DOTS, portray
from genobench.report.portrait import SIDE, Panel, Portrait, Shape, Words

from .toy_run import MODELS, stored

EVIL = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_split: Split) -> Path:
    return stored(tmp_path_factory.mktemp("portraits") / "run", toy_split)


@pytest.fixture(scope="module")
def people(run: Path) -> People:
    return load_people(run, leaderboard.rebuild(run, *cards()).blocks[0])


@pytest.fixture(scope="module")
def made(run: Path, people: People) -> dict[str, Made]:
    block = leaderboard.rebuild(run, *cards()).blocks[0]
    return {one.model: one for one in load_samples(people, block, MODELS, cards()[0])}


@pytest.fixture(scope="module")
def vae(made: dict[str, Made], people: People) -> Portrait:
    return portray(made["vae"], people)


@pytest.fixture(scope="module")
def board(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leaderboards that have taken the run over."""
    out = tmp_path_factory.mktemp("board")
    assert main(["leaderboard", "--from", str(run), "--out", str(out)]) == 0
    return out


def corners(shape: Shape) -> list[tuple[int, int]]:
    """The places that a shape goes through."""
    return [(int(x), int(y)) for x, y in re.findall(r"[ML](-?\d+) (-?\d+)", shape.steps)]


def test_every_family_is_a_panel(vae: Portrait) -> None:
    """With a caption, and something drawn inside the axes."""
    assert [p.name for p in vae] == [f.name for f in FAMILIES]
    for panel in vae:
        assert panel.caption
        places = [at for shape in panel.shapes for at in corners(shape)]
        assert places
        inside = [0 <= x <= SIDE and 0 <= y <= SIDE for x, y in places]
        assert np.mean(inside) > 0.9, panel.name


def test_curve_is_that_of_the_figure(vae: Portrait, made: dict[str, Made], people: People) -> None:
    """LD decay: as many points, and heights in proportion to mean r2."""
    panel = next(p for p in vae if p.name == "ld-decay")
    found = linkage.decay(made["vae"], people)
    drawn = [shape for shape in panel.shapes if shape.kind in ("solid", "dashed")]
    for shape, values in zip(drawn, (found.real, found.synthetic), strict=True):
        heights = [SIDE - y for _, y in corners(shape)]
        assert len(heights) == len(values)
        assert np.corrcoef(heights, values)[0, 1] > 0.999
    ticks = {float(label.replace("−", "-")): SIDE - y for y, label in panel.y_ticks}
    there = np.polyval(np.polyfit(list(ticks), list(ticks.values()), 1), found.real)
    np.testing.assert_allclose(there, [SIDE - y for _, y in corners(panel.shapes[0])], atol=2)


def test_points_are_new_people_or_whole_cells(made: dict[str, Made], people: People) -> None:
    """A sample of real people has no point of its own: fewer marks than cells of five people."""
    panel = next(p for p in portray(made["copy"], people) if p.name == "pca")
    overlay = ancestry.overlay(made["copy"], people)
    assert overlay.cells is not None
    marks = sum(len(corners(s)) for s in panel.shapes if s.kind in ("dots", "faint"))
    assert 0 < marks <= int((overlay.cells > 0).sum())
    assert panel.image, "real people are an image of cells"


def test_many_points_are_thinned(made: dict[str, Made], people: People, vae: Portrait) -> None:
    """To about as many as a small panel can show."""
    for panel in vae:
        dots = sum(len(corners(s)) for s in panel.shapes if s.kind in ("dots", "faint"))
        assert dots <= 1.3 * DOTS
    points = next(p for p in vae if p.name == "pca").shapes
    assert len(ancestry.overlay(made["vae"], people).points) > sum(len(corners(s)) for s in points)


def test_same_sample_same_bytes(vae: Portrait, made: dict[str, Made], people: People) -> None:
    assert portrait.to_json(portray(made["vae"], people)) == portrait.to_json(vae)


def test_long_name_of_a_population_is_cut(
    make_cohort: Callable[..., Cohort], run: Path, tmp_path: Path
) -> None:
    """What is written can be read."""
    parts = [make_cohort(150, 24, seed=s) for s in range(4)]
    for part in parts:
        part.samples["population"] = part.samples["population"] + " of somewhere" * 9
    people = People(Split(*parts), run, 0, "0")
    one = Made("k", "vae", "entrant", 0, parts[0])
    drawn = portray(one, people)
    labels = [s.label for p in drawn if p.name == "pca" for s in p.shapes if s.label]
    assert len(labels) == 2
    assert all(len(label) == portrait.TEXT for label in labels)
    path = tmp_path / "key.portrait"
    path.write_text(portrait.to_json(drawn))
    assert portrait.read(path) == drawn


def test_file_comes_back(vae: Portrait, tmp_path: Path) -> None:
    path = tmp_path / "key.portrait"
    path.write_text(portrait.to_json(vae))
    assert portrait.read(path) == vae
    assert portrait.kept(tmp_path) == {"key": vae}


def _change(entry: dict[str, Any], **changes: Any) -> None:
    entry.update(changes)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: _change(c, schema=2), "schema version 2"),
        (lambda c: _change(c["panels"][0], image=EVIL), "not of the form"),
        (lambda c: _change(c["panels"][0]["shapes"][0], steps=f"M0 0{EVIL}"), "not of the form"),
        (lambda c: _change(c["panels"][0]["shapes"][0], colour="red;x"), "not of the form"),
        (lambda c: _change(c["panels"][0]["shapes"][0], kind="script"), "shapes are"),
        (lambda c: _change(c["panels"][0]["shapes"][0], steps="M0 0" * 9000), "at most"),
        (lambda c: _change(c["panels"][0], title=["a"]), "at most"),
        (lambda c: _change(c, panels=c["panels"] * 9), "at most 20"),
        (lambda c: _change(c, panels=None), "list"),
        (lambda c: c["panels"][0].pop("caption"), "caption"),
        (lambda c: _change(c["panels"][0], x_ticks=[["NaN", "a"]]), "whole number"),
    ],
)
def test_other_files_are_refused(
    vae: Portrait, tmp_path: Path, spoil: Callable[[Any], Any], said: str
) -> None:
    """The message names the file and says what to do."""
    content = json.loads(portrait.to_json(vae))
    spoil(content)
    path = tmp_path / "key.portrait"
    path.write_text(json.dumps(content))
    with pytest.raises(GenobenchError, match=re.escape(said)) as caught:
        portrait.read(path)
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value)


def test_texts_are_escaped() -> None:
    """Names of populations come from files."""
    panel = Panel(
        EVIL, EVIL, EVIL, EVIL, EVIL, ((0, EVIL),), ((0, EVIL),),
        (Shape("dots", "#000001", "M1 1h0", EVIL),), (Words(0, 0, EVIL),),
    )  # fmt: skip
    (drawn,) = page_portraits.panels((panel,), EVIL)
    assert "<script" not in drawn
    assert drawn.count("&lt;script") == 9


def test_legend_names_every_label_once(vae: Portrait) -> None:
    for panel, drawn in zip(vae, page_portraits.panels(vae, "vae"), strict=True):
        for shape in panel.shapes:
            if shape.label:
                assert drawn.count(f"</tspan> {shape.label}\N{NO-BREAK SPACE}") == 1


def test_leaderboard_takes_portraits_over(board: Path, run: Path) -> None:
    """One beside the record of each generator and of the ceiling; the page shows them."""
    shown = {"vae", "li_stephens", "real"}
    paths = {json.loads(p.read_text())["job"]["model"]: p for p in board.glob("records/*/*.json")}
    assert shown < set(paths)
    assert set(board.glob("records/*/*.portrait")) == {
        paths[model].with_suffix(".portrait") for model in shown
    }
    page = (board / "index.html").read_text()
    assert page.count('class="panel"') == len(shown) * len(FAMILIES)
    assert page.count('id="portraits-toy-smoke"') == 1
    assert main(["leaderboard", "--check", "--out", str(board)]) == 0


def test_same_records_without_samples_leave_portraits(
    board: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken over again from a run whose samples were deleted: the page is made once."""
    folders = []
    write = leaderboard.write

    def counted(*given: Any) -> list[Path]:
        folders.append(given[1])
        return write(*given)

    monkeypatch.setattr(leaderboard, "write", counted)
    before = {p: p.read_bytes() for p in board.glob("records/*/*.portrait")}
    other = board.parent / "without samples"
    shutil.copytree(run / "records", other / "records")
    assert main(["leaderboard", "--from", str(other), "--out", str(board)]) == 0
    assert before
    assert {p: p.read_bytes() for p in board.glob("records/*/*.portrait")} == before
    assert folders == [board]


def test_what_cannot_be_drawn_is_said_beside_the_tables(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample that is not its record's: no portrait, the reason, and all tables."""
    shutil.copytree(run, tmp_path / "run")
    for path in (tmp_path / "run" / "samples").glob("*.npy"):
        np.save(path, np.zeros((250, 64), np.int8))
    out = tmp_path / "board"
    assert main(["leaderboard", "--from", str(tmp_path / "run"), "--out", str(out)]) == 0
    assert "no portraits of toy-smoke: " in capsys.readouterr().err
    assert (out / "toy-smoke" / "fidelity.csv").is_file()
    assert not list(out.rglob("*.portrait"))
    assert main(["leaderboard", "--from", str(run), "--out", str(out), "--no-portraits"]) == 0
    assert not list(out.rglob("*.portrait"))


def test_many_chromosomes_are_one_shape(make_cohort: Callable[..., Cohort], run: Path) -> None:
    """However many edges a map of LD has; what is written can be read."""
    parts = [make_cohort(150, 66, seed=s) for s in range(4)]
    for part in parts:
        part.variants["chrom"] = [str(j // 3) for j in range(66)]
    people = People(Split(*parts), run, 0, "0")
    panels = portray(Made("k", "vae", "entrant", 0, parts[0]), people)
    map_ = next(p for p in panels if p.name == "ld-map")
    assert len(map_.shapes) <= 3
    assert sum(len(corners(s)) for s in map_.shapes) > 80


def test_one_variant_has_no_map_of_ancestry(make_cohort: Callable[..., Cohort], run: Path) -> None:
    """Two axes need two."""
    parts = [make_cohort(150, 1, seed=s) for s in range(4)]
    people = People(Split(*parts), run, 0, "0")
    names = {p.name for p in portray(Made("k", "vae", "entrant", 0, parts[0]), people)}
    assert "pca" not in names
    assert "nearest-distance" in names


def test_new_record_takes_its_old_portrait_away(board: Path, run: Path, tmp_path: Path) -> None:
    """A run that keeps no samples replaces records, and leaves no portrait of older ones."""
    other = tmp_path / "run"
    (other / "records").mkdir(parents=True)
    for path in (run / "records").glob("*.json"):
        content = json.loads(path.read_text())
        content |= {"key": content["key"][::-1], "finished": "2026-01-01T00:00:00Z"}
        (other / "records" / f"{content['key']}.json").write_text(json.dumps(content))
    copied = tmp_path / "board"
    for path in (p for p in board.rglob("*") if p.is_file()):
        target = copied / path.relative_to(board)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert main(["leaderboard", "--from", str(other), "--out", str(copied)]) == 0
    assert not list(copied.rglob("*.portrait"))
    assert 'class="panel"' not in (copied / "index.html").read_text()


def test_portraits_of_other_records_are_not_shown(run: Path, vae: Portrait) -> None:
    """One left behind by a record that is gone stands nowhere."""
    tables = leaderboard.rebuild(run, *cards())
    key = next(r["key"] for r in tables.blocks[0].records if r["job"]["model"] == "vae")
    shown = leaderboard.files(replace(tables, portraits={key: vae, "other": vae}))["index.html"]
    assert shown.count('class="panel"') == len(vae)
