"""Figures for papers and slides: their numbers are the metrics', their files repeat."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genobench.cli import main
from genobench.cohort import Cohort
from genobench.commands.making import cards
from genobench.data.split import Split
from genobench.metrics import ld
from genobench.metrics.auc import tpr_at_fpr
from genobench.metrics.frequency import minor_slope
from genobench.metrics.manifold import Cover, cover, curve_areas, radii
from genobench.metrics.structure import project
from genobench.registry import find_task
from genobench.report import leaderboard, shown
from genobench.report.plots import (
    ancestry,
    attacks,
    calibration,
    distances,
    effects,
    frequency,
    linkage,
    manifold,
)
from genobench.report.plots.cohorts import FEWEST, Made, People, load_people, load_samples
from genobench.report.plots.folder import FAMILIES
from genobench.report.plots.medium import COLUMN
from genobench.report.plots.panels import pages
from genobench.report.tables import Tables
from genobench.seeds import derive, rng
from genobench.task import Reference

from .toy_run import MODELS, stored

RECORDS_ONLY = {"learning-curves", "ranks", "cost-quality", "utility-privacy"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_split: Split) -> Path:
    """A run of five models that keeps its split and its samples."""
    return stored(tmp_path_factory.mktemp("figures") / "run", toy_split)


@pytest.fixture(scope="module")
def tables(run: Path) -> Tables:
    return leaderboard.rebuild(run, *cards())


@pytest.fixture(scope="module")
def people(run: Path, tables: Tables) -> People:
    return load_people(run, tables.blocks[0])


@pytest.fixture(scope="module")
def made(people: People, tables: Tables) -> dict[str, Made]:
    found = load_samples(people, tables.blocks[0], MODELS, cards()[0])
    return {one.model: one for one in found}


@pytest.fixture(scope="module")
def drawn(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every figure, drawn by the command for a column."""
    out = tmp_path_factory.mktemp("drawn") / "figures"
    assert main(["figures", str(run), "--models", "vae,real,hwe", "--out", str(out)]) == 0
    return out


def scored(task: str, one: Made, people: People) -> dict[str, float]:
    """What the task itself says of a sample, as the benchmark asks it."""
    found = find_task(task).load()()
    estimates = found.score(
        one.cohort, Reference(people.split, people.facts(task)), seed=derive(0, "score", task)
    )
    return {name: estimate.value for name, estimate in estimates.items()}


def png_size(path: Path) -> tuple[int, int]:
    """Width and height in dots."""
    wide, high = struct.unpack(">II", path.read_bytes()[16:24])
    return wide, high


# the data behind the figures


def test_frequency_slopes_are_the_metric(made: dict[str, Made], people: People) -> None:
    """A panel's slopes are `minor_slope` of the same people; rare counts are hidden."""
    one = made["vae"]
    synthetic, real = people.alike(one)
    validation = people.split.validation.genotypes.mean(axis=0, dtype=float) / 2
    found = frequency.frequencies(one, people)
    for number, slope in enumerate(found.slopes):
        expected = minor_slope(synthetic, real, bin_frequency=validation, number=number).value
        assert slope == pytest.approx(expected)
    carried = np.minimum(real.sum(axis=0), 2 * len(real) - real.sum(axis=0))
    assert not found.shown[carried < FEWEST].any()
    assert found.shown[carried >= FEWEST].all()


def test_map_holds_real_above_and_synthetic_below(made: dict[str, Made], people: People) -> None:
    """Both triangles are r2 of `ld`, and a copy of the test people would mirror them."""
    where = linkage.most_linked(people)
    square = linkage.triangles(made["hwe"], people, where)
    synthetic, real = people.alike(made["hwe"])
    for genotypes, triangle in ((real, square), (synthetic, square.T)):
        band = ld.r2_band(np.ascontiguousarray(genotypes[:, where]), reach=3)
        for d in (1, 3):
            got = np.diagonal(triangle, offset=d)
            np.testing.assert_allclose(got, band[d - 1, : len(got)], atol=1e-6)
    above, below = square[np.triu_indices(64, 1)], square[np.tril_indices(64, -1)]
    assert above.mean() > 10 * abs(below.mean()), "independent SNPs have no LD"


def test_most_linked_stretch_is_the_best_of_all(
    make_cohort: Callable[..., Cohort], run: Path
) -> None:
    """No other stretch of as many SNPs has more r2 on one chromosome."""
    parts = [make_cohort(120, 96, seed=s) for s in range(4)]
    people = People(Split(*parts), run, 0, "0")
    where = linkage.most_linked(people)
    g, chromosome = parts[2].genotypes, parts[2].variants["chrom"].to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.nan_to_num(np.corrcoef(g.T) ** 2)
    r2 = np.triu(r2 - (1 - r2) / (len(g) - 2), 1) * (chromosome[:, None] == chromosome)
    p = g.mean(axis=0) / 2
    common = np.minimum(p, 1 - p) >= 0.01
    r2 *= common[:, None] & common
    sums = [r2[a : a + 64, a : a + 64].sum() for a in range(96 - 64 + 1)]
    assert where == slice(int(np.argmax(sums)), int(np.argmax(sums)) + 64)


def test_decay_curves_enclose_the_area_of_the_metric(made: dict[str, Made], people: People) -> None:
    """The area between the drawn curves is what `decay_area` gives, and LD falls with distance."""
    found = linkage.decay(made["vae"], people)
    under = np.clip(found.real, 0, None).sum()
    assert np.abs(found.real - found.synthetic).sum() / under == pytest.approx(found.area)
    assert found.real[0] > 3 * found.real[-1]
    assert linkage.decay(made["hwe"], people).area > 0.8, "no LD is left"


def test_manifold_curves_are_those_of_the_areas(made: dict[str, Made], people: People) -> None:
    """Mean distance to the real curves over k is what `curve_areas` returns."""
    for model in ("vae", "hwe"):
        found = manifold.curves(made[model], people)
        synthetic, real = people.alike(made[model])
        few = rng(people.reference_seed("fidelity"), "fidelity", "few").permutation(len(real))
        one = synthetic[:125], synthetic[125:250]
        two = real[few][:125], real[few][125:250]
        around = radii(two[0], ks=found.ks), radii(two[1], ks=found.ks)
        covers: tuple[Cover, Cover] = (
            cover(two[0], two[1], around[1]), cover(two[1], two[0], around[0])
        )  # fmt: skip
        areas = curve_areas(one, two, ks=found.ks, real_radii=around, real_cover=covers)
        for own, other, area in zip(found[1:3], found[3:5], areas, strict=True):
            assert np.mean(np.subtract(own, other)) == pytest.approx(area.value, abs=1e-9)


def test_attack_curves_are_the_attacks_of_the_privacy_task(
    made: dict[str, Made], people: People
) -> None:
    """AUC and share of members found at 1 % are those that the task reports of the sample."""
    metrics = scored("privacy", made["vae"], people)
    scores, member = attacks.scores(made["vae"], people)
    for name, score in scores.items():
        assert attacks.roc(score, member).auc == pytest.approx(metrics[f"{name}_attack_auc"])
    curve = attacks.roc(scores["nearest"], member)
    others = int((~member).sum())
    found = tpr_at_fpr(scores["nearest"], member, fpr=0.01).value
    assert found == pytest.approx(metrics["nearest_attack_tpr1"])
    for at in (0, len(curve.fpr) // 2):
        found = tpr_at_fpr(scores["nearest"], member, fpr=float(curve.fpr[at])).value
        assert curve.tpr[at] == pytest.approx(found)
    assert (np.diff(curve.fpr) > 0).all()
    told = curve.tpr[~np.isnan(curve.tpr)]
    assert (np.diff(told) >= 0).all()
    assert round(told.min() * member.sum()) >= FEWEST
    assert round(curve.fpr.min() * others) >= FEWEST


def test_effect_slope_is_that_of_the_association_task(
    made: dict[str, Made], people: People
) -> None:
    """Slope and correlation beside the points are the task's."""
    for model in ("vae", "real"):
        metrics = scored("association", made[model], people)
        found = effects.effects(made[model], people)
        assert found.slope == pytest.approx(metrics["effect_slope"], nan_ok=True)
        assert found.correlation == pytest.approx(metrics["z_correlation"])


def test_distances_hide_the_nearest_and_the_farthest_few() -> None:
    """No point of a curve sets apart fewer than five people; a heap of copies is shown."""
    spread: NDArray[np.int32] = np.arange(100, dtype=np.int32)
    found = distances.cumulative(spread, 110)
    assert np.isnan(found[:4]).all()
    assert found[4] == pytest.approx(0.05)
    assert found[94] == pytest.approx(0.95)
    assert np.isnan(found[95:]).all(), "the end of the line would be the farthest person's"
    copies = distances.cumulative(np.zeros(100, np.int32), 3)
    np.testing.assert_allclose(copies, 1.0)


def test_distance_medians(made: dict[str, Made], people: People) -> None:
    """Copies are at 0; people held out are not."""
    assert distances.distances(made["copy"], people).medians[0] == 0
    assert distances.distances(made["copy"], people).medians[1] > 3


def test_lines_of_distances_do_not_end_at_the_farthest_person(
    made: dict[str, Made], people: People
) -> None:
    """Beyond the last point that five people share nothing is drawn, not even a flat line."""
    found = distances.distances(made["copy"], people)
    farthest = int(np.asarray(people.facts("privacy")["holdout_to_train"])[:, 0].max())
    assert found.at[-1] < farthest
    assert found.synthetic[0] == 1


def test_calibration_groups_hold_enough_people() -> None:
    """True risks lie on the diagonal; fewer people make fewer groups, four cases none."""
    draw = rng(0, "calibration")
    logit = draw.normal(0, 1.5, 40_000)
    labels = (draw.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    claimed, true, error = calibration.binned(logit, labels, binary=True)
    assert len(claimed) == calibration.BINS
    assert (np.abs(claimed - true) < 4 * error).all()
    for cases, groups in ((4, 0), (25, 2)):
        some = np.zeros(60, np.float32)
        some[draw.choice(60, cases, replace=False)] = 1
        claimed, _, _ = calibration.binned(logit[:60], some, binary=True)
        assert len(claimed) == groups


# privacy


def test_no_real_person_is_a_point(made: dict[str, Made], people: People) -> None:
    """Cells hold nobody or five; points are new people; samples of real people have no points."""
    split = people.split
    for one in made.values():
        found = ancestry.overlay(one, people)
        for counts in (found.ground.real, found.cells):
            if counts is not None:
                assert ((counts == 0) | (counts >= FEWEST)).all()
        if one.role in ("ceiling", "leak"):
            assert len(found.points) == 0
            continue
        assert found.cells is None
        everybody = np.concatenate([split.train.genotypes, split.validation.genotypes,
                                    split.test.genotypes, split.control.genotypes])  # fmt: skip
        axes = found.ground.axes
        where = {tuple(x) for x in project(everybody, axes).round(6)}
        assert where.isdisjoint({tuple(x) for x in found.points.round(6)})
    copied = {row.tobytes() for row in split.train.genotypes}
    shown, _ = people.alike(made["vae"])
    expected = sum(row.tobytes() in copied for row in shown)
    assert expected > 0
    assert ancestry.overlay(made["vae"], people).left_out >= expected


def test_small_cells_are_blank() -> None:
    """Four people in a cell are not shown, five are."""
    edges = np.linspace(0, 22, 23), np.linspace(0, 22, 23)
    scores = np.array([[0.5, 0.5]] * 4 + [[3.5, 7.5]] * 5)
    counts = ancestry.counted(scores, np.zeros(9, np.int64), 1, edges)
    assert counts.sum() == 5
    assert counts[0, 3, 7] == 5


# figures of records


def test_ranks_and_costs_are_those_of_the_tables(tables: Tables) -> None:
    """Of generators: controls are not ranked, and what they cost says nothing."""
    table = next(t for t in tables.blocks[0].tables if t.task.name == "fidelity")
    found = shown.places(table, MODELS)
    assert [(p.model, p.rank) for p in found] == [("vae", 1), ("li_stephens", 2)]
    worth = {w.model: w for w in shown.worth(table, MODELS)}
    assert set(worth) == {p.model for p in found}
    assert worth["vae"].seconds == pytest.approx(4.6)
    assert worth["vae"].low == pytest.approx(0.58)


def test_tied_models_share_a_bar() -> None:
    """A letter joins its models; one model alone has no bar."""
    ties = [("a", "A"), ("b", "AB"), ("c", "B"), ("d", "C")]
    found = [shown.Place(m, i + 1, 1, 4, letters) for i, (m, letters) in enumerate(ties)]
    assert shown.tied(found) == [[0, 1], [1, 2]]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (8, [8]), (9, [4, 5]), (17, [6, 5, 6])])
def test_no_figure_holds_more_than_eight_models(count: int, sizes: list[int]) -> None:
    """More are shared out evenly, in their order."""
    parts = pages(list(range(count)))
    assert [len(part) for part in parts] == sizes
    assert [i for part in parts for i in part] == list(range(count))


# files


def test_every_figure_is_there_in_both_formats_with_a_caption(drawn: Path) -> None:
    """Each family is drawn, and captions say how many people and how to read it."""
    names = {f.name for f in FAMILIES} | RECORDS_ONLY
    files = {p.name for p in (drawn / "toy-smoke").iterdir()}
    assert files == {f"{name}.{ending}" for name in names for ending in ("png", "pdf")}
    text = (drawn / "captions.md").read_text()
    captions = dict(re.findall(r"\*\*toy-smoke/(.+?)\.\*\* (.+)", text))
    assert set(captions) == names
    assert all(re.search(r"\d", caption) for caption in captions.values())
    assert "Left out" not in text


def test_files_fit_the_page_and_hold_no_date(drawn: Path) -> None:
    """183 or 89 mm at 300 dots per inch, and nothing that changes from day to day."""
    for path in sorted(drawn.rglob("*.png")):
        assert png_size(path)[0] in (int(183 / 25.4 * 300), int(89 / 25.4 * 300))
        assert png_size(path)[1] <= COLUMN.height * 300
        assert b"Software" not in path.read_bytes()
    for path in sorted(drawn.rglob("*.pdf")):
        assert b"CreationDate" not in path.read_bytes()


def test_bytes_repeat(run: Path, tmp_path: Path) -> None:
    """A second call, over the files of the first, writes them again; slides are 16:9."""
    few = ["figures", str(run), "--models", "vae", "--out", str(tmp_path), "--for", "slide"]
    sums = []
    for _ in range(2):
        assert main(few) == 0
        files = sorted(p for p in tmp_path.rglob("*.*") if p.is_file())
        sums.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    assert sums[0] == sums[1]
    assert len(sums[0]) == 2 * (len(FAMILIES) + len(RECORDS_ONLY)) + 1
    wide, high = png_size(tmp_path / "toy-smoke" / "pca.png")
    assert wide / high == pytest.approx(16 / 9, abs=0.002)


# what cannot be done


def test_unknown_model_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says which models there are, and nothing is written."""
    out = run.parent / "nothing"
    assert main(["figures", str(run), "--models", "vae,vea", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "no record of vea" in said
    assert "li_stephens" in said
    assert not out.exists()


def test_some_figures_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By name, of people and of records; a name that is none is refused with all there are."""
    words = ["figures", str(run), "--models", "vae,hwe", "--out", str(tmp_path / "some")]
    assert main([*words, "--only", "ranks,nearest-distance"]) == 0
    stems = {p.stem for p in (tmp_path / "some" / "toy-smoke").iterdir()}
    assert stems == {"ranks", "nearest-distance"}
    assert main([*words, "--only", "pac"]) == 2
    assert "no figure is called pac; there are allele-frequencies" in capsys.readouterr().err


def test_folder_without_samples_says_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records alone give figures of records, and the reason why there are no others."""
    (tmp_path / "board" / "records" / "toy-smoke").mkdir(parents=True)
    for path in (run / "records").glob("*.json"):
        copied = tmp_path / "board" / "records" / "toy-smoke" / path.name
        copied.write_bytes(path.read_bytes())
    assert main(["figures", str(tmp_path / "board"), "--out", str(tmp_path / "out")]) == 0
    assert {p.stem for p in (tmp_path / "out" / "toy-smoke").iterdir()} == RECORDS_ONLY
    assert "keeps no prepared data and no samples" in capsys.readouterr().err
    assert "keeps no prepared data and no samples" in (tmp_path / "out/captions.md").read_text()


def test_folder_of_other_things_is_left_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is no figure is not removed."""
    (tmp_path / "toy-smoke").mkdir()
    (tmp_path / "toy-smoke" / "thesis.tex").write_text("mine")
    assert main(["figures", str(run), "--out", str(tmp_path)]) == 2
    assert "thesis.tex, which is no figure" in capsys.readouterr().err
    assert (tmp_path / "toy-smoke" / "thesis.tex").read_text() == "mine"


def test_changed_sample_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample that is not the one of its record is not drawn."""
    shutil.copytree(run, tmp_path / "run")
    path = next((tmp_path / "run" / "samples").glob(f"{b'vae'.hex()}*.npy"))
    changed = np.load(path)
    changed[0, 0] = (changed[0, 0] + 1) % 3
    np.save(path, changed)
    assert main(["figures", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 2
    assert "not the sample that its record describes" in capsys.readouterr().err
