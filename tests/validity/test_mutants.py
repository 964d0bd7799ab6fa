"""Metrics with a mistake planted in them: for each, a check that fails on it and passes without.

A mutant is one exact edit of a module's source. It is loaded under a name of its own and takes the
place of the original in every module that had imported from it. An edit whose text is no longer in
the source fails here: plant the mistake anew where the code is now.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ..oracles import test_oracles as oracles
from . import checks
from .checks import Check, Scene, null, role
from .measures import copies


@dataclass(frozen=True)
class Mutant:
    """``old`` becomes ``new`` wherever it stands in ``genobench.<module>``."""

    name: str
    module: str
    old: str
    new: str
    check: Check


def plink_fst(_: Scene) -> None:
    """FST of every SNP as PLINK has it."""
    oracles.test_fst_is_that_of_plink(oracles.asked_about())


def plink_kinship(_: Scene) -> None:
    """Kinship of every pair as PLINK has it."""
    oracles.test_kinship_is_that_of_plink(oracles.asked_about())


MUTANTS = (
    Mutant(
        "ties lost in adversarial accuracy",
        "metrics.disclosure",
        "(further > nearer) + 0.5 * (further == nearer)",
        "1.0 * (further > nearer)",
        checks.ties_at_32_snps,
    ),
    Mutant(
        "real and synthetic swapped in adversarial accuracy",
        "metrics.disclosure",
        "return parts[0], parts[1]",
        "return parts[1], parts[0]",
        role("collapse aa_truth > 0.8"),
    ),
    Mutant(
        "people looked for in the synthetic cohort, not it among them",
        "metrics.disclosure",
        "np.isin(_rows(synthetic), _rows(people))",
        "np.isin(_rows(people), _rows(synthetic))",
        role("collapse duplicates > 0.999"),
    ),
    Mutant(
        "members and non-members swapped in the share that is closer",
        "metrics.disclosure",
        "_beats(d0[:, 0], d1[:, 0])",
        "_beats(d1[:, 0], d0[:, 0])",
        role("copy closer_to_train > 0.95"),
    ),
    Mutant(
        "members and non-members swapped in half of the privacy loss",
        "metrics.disclosure",
        "paired = syn_h[0] - syn_t[0]",
        "paired = syn_t[0] - syn_h[0]",
        role("copy privacy_loss > 0.3"),
    ),
    Mutant(
        "ratio of two zero distances taken for 1",
        "metrics.disclosure",
        "out=np.zeros_like(first)",
        "out=np.ones_like(first)",
        checks.copies_of_twins_are_not_private,
    ),
    Mutant(
        "people are their own neighbours",
        "metrics.neighbours",
        "skip = rows.start if exclude_self else -1",
        "skip = -1",
        null(copies, "aa_truth"),
    ),
    Mutant(
        "index within the block in place of the row",
        "metrics.neighbours",
        "indices[i, at] = first + j",
        "indices[i, at] = j",
        checks.neighbours_at_2048_snps,
    ),
    Mutant(
        "second plane of the code dropped",
        "metrics.neighbours",
        "genotypes > plane",
        "genotypes > 0",
        checks.neighbours_at_2048_snps,
    ),
    Mutant(
        "distances in bfloat16",
        "metrics.manifold",
        "yield rows, base.shape[1] - _embedded(queries[rows]) @ right",
        "d = base.shape[1] - _embedded(queries[rows]) @ right\n"
        "        yield rows, (d.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)",
        checks.product_at_2048_snps,
    ),
    Mutant(
        "density not divided by k",
        "metrics.manifold",
        "normal(float(balls.mean()) / k,",
        "normal(float(balls.mean()),",
        role("real density < 1.2"),
    ),
    Mutant(
        "recall from the balls of the real people",
        "metrics.manifold",
        "in_synthetic = distance < around_synthetic[rows, column][:, None]",
        "in_synthetic = distance < around_real[:, column]",
        role("collapse recall < 0.05"),
    ),
    Mutant(
        "windowed attack left out of the strongest",
        "metrics.membership",
        "for s in attacks.values()]",
        'for k, s in attacks.items() if k != "windowed"]',
        role("mosaic16 strongest_auc > 0.95"),
    ),
    Mutant(
        "windowed attack left out of the strongest by the task",
        "tasks.privacy",
        'if name != "nearest"}',
        'if name not in ("nearest", "windowed")}',
        checks.task_counts_windows_among_the_strongest,
    ),
    Mutant(
        "kernel of the distance in place of the distance",
        "metrics.membership",
        "return -candidates_to_synthetic.astype(np.float64)",
        "return np.exp(-(candidates_to_synthetic.astype(np.float64) ** 2))",
        role("noise20 nearest_auc > 0.95"),
    ),
    Mutant(
        "synthetic people and reference swapped in the windowed attack",
        "metrics.membership",
        "c_s, c_r = (np.bincount(",
        "c_r, c_s = (np.bincount(",
        role("mosaic16 windowed_auc > 0.95"),
    ),
    Mutant(
        "ties are wins in the interval of an AUC",
        "metrics.auc",
        "everyone = rankdata(s, axis=1)",
        'everyone = rankdata(s, axis=1, method="max")',
        checks.ties_count_half,
    ),
    Mutant(
        "ties are wins in an AUC",
        "metrics.auc",
        "rankdata(s[0])[case].sum()",
        'rankdata(s[0], method="max")[case].sum()',
        checks.ties_count_half,
    ),
    Mutant(
        "threshold of the false-positive rate off by one",
        "metrics.auc",
        "allowed = min(math.floor(",
        "allowed = min(1 + math.floor(",
        checks.equal_scores_have_equal_rates,
    ),
    Mutant(
        "lowest scores taken for the highest in the epsilon bound",
        "metrics.epsilon",
        "np.sort(scores[~member])[::-1]",
        "np.sort(scores[~member])",
        role("real exact_epsilon < 1e-09"),
    ),
    Mutant(
        "bias of r2 not removed",
        "metrics.ld",
        "row -= np.where(",
        "row -= 0 * np.where(",
        checks.unlinked_snps_average_zero,
    ),
    Mutant(
        "variance ratio upside down",
        "metrics.structure",
        "variances[0] / variances[1]",
        "variances[1] / variances[0]",
        role("hwe pc_variance_ratio < 0.5"),
    ),
    Mutant(
        "heterozygotes left out of FST",
        "metrics.ancestry",
        "- h_bar / 4)",
        ")",
        plink_fst,
    ),
    Mutant(
        "kinship by the more heterozygous of two",
        "data.kinship",
        "het = np.minimum(a.het.sum(1)",
        "het = np.maximum(a.het.sum(1)",
        plink_kinship,
    ),
    Mutant(
        "real and synthetic swapped in the spread of heterozygosity",
        "metrics.heterozygosity",
        "for g in (synthetic, real):",
        "for g in (real, synthetic):",
        role("hwe het_sd_ratio < 0.8"),
    ),
)


def own(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Functions and classes that a module defines itself."""
    for name, value in vars(module).items():
        if callable(value) and getattr(value, "__module__", "") == module.__name__:
            yield name, value


def planted(mutant: Mutant, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put the mutant in the place of the original, everywhere, until ``patch`` is undone."""
    original = importlib.import_module(f"genobench.{mutant.module}")
    source = inspect.getsource(original)
    assert mutant.old in source, f"{mutant.module}.py no longer has: {mutant.old}"
    name = f"genobench_mutant_{original.__name__.rpartition('.')[2]}"
    path = folder / f"{name}.py"
    path.write_text(source.replace(mutant.old, mutant.new))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    changed = {}
    for key, value in own(original):
        kernel = getattr(value, "py_func", None)
        if kernel is not None and mutant.old not in inspect.getsource(kernel):
            setattr(module, key, value)  # untouched: taken over as compiled
        elif kernel is None or mutant.old in inspect.getsource(kernel):
            changed[id(value)] = getattr(module, key)
    users = [m for n, m in sys.modules.items() if n.startswith(("genobench.", "tests."))]
    for user in users:
        for key, value in list(vars(user).items()):
            if id(value) in changed:
                patch.setattr(user, key, changed[id(value)])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_mutant_is_caught(
    mutant: Mutant, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check passes on the original and fails on the mutant."""
    mutant.check(scene)
    with monkeypatch.context() as patch:
        planted(mutant, tmp_path, patch)
        with pytest.raises(AssertionError):
            mutant.check(scene)
    mutant.check(scene)
