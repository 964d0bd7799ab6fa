"""What training shares: seeds, averages, early stopping, calibration, mixtures."""

from __future__ import annotations

import math
import time
from importlib import import_module
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import Cohort, Trait
from genobench.generator import Budget

from .draws import drawn

calls = import_module("genobench.baselines._calibration")
mixtures = import_module("genobench.baselines._mixture")
training = import_module("genobench.baselines._training")


def cohort(
    genotypes: NDArray[np.integer[Any]],
    labels: NDArray[Any],
    kind: Literal["binary", "quantitative"] = "binary",
) -> Cohort:
    n, m = genotypes.shape
    variants = pd.DataFrame(
        {"chrom": "1", "pos": range(m), "id": map(str, range(m)), "counted": "A", "other": "G"}
    )
    samples = pd.DataFrame({"fid": map(str, range(n)), "iid": map(str, range(n)), "sex": 0})
    trait = Trait("t", kind, labels.astype(np.float32))
    return Cohort(genotypes.astype(np.int8), variants, samples, trait)


def test_seeded_repeats_and_leaves_no_trace() -> None:
    """The same seed draws the same, and torch's own stream goes on as if nothing had happened."""
    torch.manual_seed(5)
    undisturbed = torch.rand(3)
    torch.manual_seed(5)
    with training.seeded(0, "a"):
        first = torch.rand(3)
    with training.seeded(0, "a"):
        again = torch.rand(3)
    with training.seeded(0, "b"):
        other = torch.rand(3)
    assert torch.equal(torch.rand(3), undisturbed)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_one_hot_counts_the_counted_allele() -> None:
    """Channels are hom-other, het, hom-counted."""
    x = training.one_hot(torch.tensor([[0, 1, 2]], dtype=torch.int8))
    assert x.shape == (1, 3, 3)
    assert torch.equal(x[0], torch.eye(3))


def test_labels_are_scaled_by_kind() -> None:
    """A binary label becomes -1 / +1, a quantity its z-score, on training values."""
    g = np.zeros((4, 2), dtype=np.int8)
    binary = training.LabelScale.of(cohort(g, np.array([0, 1, 1, 1])))
    assert binary(np.array([0, 1], dtype=np.float32)).flatten().tolist() == [-1, 1]
    quantity = training.LabelScale.of(cohort(g, np.array([10.0, 20, 30, 40]), "quantitative"))
    assert float(quantity(np.array([25.0], dtype=np.float32))) == pytest.approx(0)
    assert float(training.LabelScale.of(cohort(g, np.full(4, 7.0), "quantitative")).scale) == 1


def test_monomorphic_columns_are_written_back() -> None:
    """A column with one dosage in training has it in every row, whatever was sampled."""
    g = np.array([[0, 2, 1], [1, 2, 1]], dtype=np.int8)
    fixed = training.fixed_calls(cohort(g, np.array([0, 1])))
    assert fixed.tolist() == [-1, 2, 1]
    rows = training.write_fixed(np.zeros((3, 3), dtype=np.int8), fixed)
    assert rows.tolist() == [[0, 2, 1]] * 3
    assert rows.dtype == np.int8
    assert rows.flags.c_contiguous


def test_an_epoch_visits_everybody_once() -> None:
    """Batches of an epoch are disjoint, the next has another order; one person comes twice."""
    with training.seeded(1):
        stream = training.batches(10, 5, "cpu")
        first, second = (torch.cat([next(stream), next(stream)]) for _ in range(2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()
    assert next(training.batches(1, 5, "cpu")).tolist() == [0, 0]


def test_average_follows_the_weights() -> None:
    """Early on the average is young: after many equal updates it is where the network is."""
    network = nn.Linear(1, 1)
    average = training.Ema(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(3.0)
    average.update(network)
    first = float(average.network.weight)
    for _ in range(200):
        average.update(network)
    assert first != pytest.approx(3, abs=0.1)
    assert float(average.network.weight) == pytest.approx(3, abs=1e-3)


def test_stopping_keeps_the_best_state() -> None:
    """It waits ``patience`` validations, then says stop, and gives back the best weights."""
    network = nn.Linear(1, 1, bias=False)
    stopping = training.EarlyStopping(network, patience=1)
    said = []
    for weight, loss in ((1.0, 0.5), (2.0, 0.2), (3.0, 0.3), (4.0, 0.4)):
        with torch.no_grad():
            network.weight.fill_(weight)
        said.append(stopping.update(loss))
    assert said == [False, False, False, True]
    stopping.restore()
    assert network.weight.item() == 2.0


def test_learning_rate_rises_then_falls() -> None:
    """Linear warm-up to 1, half at half-way, the floor at the end."""
    at = [
        training.warmup_cosine(s, warmup=10, steps=110, floor=0.1) for s in (0, 9, 10, 60, 110, 200)
    ]
    assert at == pytest.approx([0.1, 1, 1, 0.55, 0.1, 0.1])


def slope_problem() -> tuple[nn.Linear, Tensor, Tensor]:
    x = torch.linspace(-1, 1, 64)[:, None]
    return nn.Linear(1, 1), x, 2 * x + 1


def test_descend_finds_the_line() -> None:
    """It fits, reports its curve, and stops at its last step."""
    seen: list[float] = []
    with training.seeded(2):
        network, x, y = slope_problem()
        best = training.descend(
            network,
            lambda index: nn.functional.mse_loss(network(x[index]), y[index]),
            n=64,
            validate=lambda net: float(nn.functional.mse_loss(net(x), y)),
            budget=Budget(report=lambda figures: seen.append(figures["validation"])),
            deadline=math.inf,
            batch=16,
            steps=400,
            lr=0.05,
            ema=0.9,
        )
    assert float(best.weight) == pytest.approx(2, abs=0.05)
    assert len(seen) == 4
    assert seen[-1] < 0.01


def test_descend_stops_at_its_deadline_and_at_nonsense() -> None:
    """A passed deadline leaves one step; a loss that is not a number raises."""
    with training.seeded(3):
        network, x, y = slope_problem()
        steps: list[float] = []

        def run(loss_of: float, deadline: float) -> None:
            training.descend(
                network,
                lambda index: loss_of * nn.functional.mse_loss(network(x[index]), y[index]),
                n=64,
                validate=lambda net: float(nn.functional.mse_loss(net(x), y)),
                budget=Budget(report=lambda figures: steps.append(figures["step"])),
                deadline=deadline,
            )

        run(1.0, time.monotonic() - 1)
        assert steps == [1]
        with pytest.raises(FloatingPointError, match="step 1"):
            run(math.nan, time.monotonic() - 1)


def test_bf16_is_used_only_where_it_helps() -> None:
    """Autocast changes nothing on a processor without bf16 instructions."""
    with training.autocast("cpu"):
        dtype = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    assert dtype == (torch.bfloat16 if training.bf16_helps("cpu") else torch.float32)


def test_networks_travel_as_arrays() -> None:
    """Several networks share one flat dict and come back unchanged."""
    with training.seeded(4):
        one, two, other = nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(2, 3)
    arrays = training.to_arrays(one=one, two=two)
    training.from_arrays(other, "one", arrays)
    assert torch.equal(one.weight, other.weight)
    assert "two.running_mean" in arrays


def test_calibration_meets_the_training_marginals() -> None:
    """Argmax of skewed logits loses rare calls; offsets give back frequency and label slope."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 4000)
    rate = np.where(labels[:, None] == 1, [0.3, 0.1, 0.5], [0.2, 0.1, 0.3])
    real = cohort(draw.binomial(2, rate), labels)
    people = training.People.of(real, training.LabelScale.of(real), "cpu")
    with training.seeded(5):
        logits = torch.randn(4000, 3, 3) + torch.tensor([3.0, 0.0, -1.0])[:, None]
        offsets = calls.calibration(logits, people.labels, people)
        before = calls.most_probable(logits).numpy()
        after = calls.most_probable(calls.calibrated(logits, people.labels, offsets)).numpy()
        level = calls.calibration(logits, people.labels, people, label=False)
    assert (level[1] == 0).all()
    for case in (0, 1):
        here = labels == case
        truth = real.genotypes[here].mean(0) / 2
        assert np.abs(after[here].mean(0) / 2 - truth).max() < 0.02
        assert np.abs(before[here].mean(0) / 2 - truth).max() > 0.1


def test_drawn_calls_follow_the_probabilities() -> None:
    """Gumbel-max draws each call as often as its softmax says, argmax never."""
    logits = torch.tensor([0.6, 0.3, 0.1]).log().reshape(1, 3, 1).expand(20_000, 3, 1)
    with training.seeded(6):
        rows = drawn(logits)
    share = torch.bincount(rows.flatten().long(), minlength=3) / 20_000
    assert share.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.012)
    assert (calls.most_probable(logits) == 0).all()


def test_mixture_gives_the_conditional_of_a_joint_gaussian() -> None:
    """One component on Gaussian (z, y): mean and variance of z given y as the formula has them."""
    draw = np.random.default_rng(1)
    y = draw.standard_normal((20_000, 1))
    z = 0.8 * y + 0.6 * draw.standard_normal((20_000, 2))
    mixture = mixtures.LatentMixture.fit(z, y, (z[:500], y[:500]), (1,), seed=0)
    drawn_z = mixture.sample(np.full((20_000, 1), 1.0), np.random.default_rng(2))
    assert drawn_z.mean(0) == pytest.approx([0.8 / 1.04] * 2, abs=0.03)  # label blurred by .2
    assert drawn_z.std(0) == pytest.approx([math.sqrt(1 - 0.64 / 1.04)] * 2, rel=0.03)


def test_mixture_finds_two_clusters_that_the_label_names() -> None:
    """Held-out likelihood prefers two components, and a label draws from its own cluster."""
    draw = np.random.default_rng(3)
    y = draw.choice([-1.0, 1.0], (2000, 1))
    z = 5 * y + draw.standard_normal((2000, 3))
    mixture = mixtures.LatentMixture.fit(z[:1500], y[:1500], (z[1500:], y[1500:]), (1, 2), seed=0)
    assert len(mixture.weights) == 2
    assert (mixture.sample(np.ones((500, 1)), draw) > 0).mean() > 0.99
    assert np.array_equal(
        mixtures.LatentMixture.of(mixture.arrays()).means,
        mixture.means,
    )


def test_mixture_keeps_each_components_share_of_a_class() -> None:
    """A component that holds both classes is drawn as often within each as people are in it."""
    draw = np.random.default_rng(4)
    n = 4000
    mixed = draw.random(n) < 0.5  # half of all people, of either class; the rest are all controls
    y = np.where(mixed & (draw.random(n) < 0.5), 1.0, -1.0)[:, None]
    z = np.where(mixed, 8.0, -8.0)[:, None] + draw.standard_normal((n, 2))
    mixture = mixtures.LatentMixture.fit(z, y, (z, y), (2,), seed=0)
    controls = mixture.sample(np.full((n, 1), -1.0), draw)
    expected = mixed[y[:, 0] < 0].mean()
    assert (controls[:, 0] > 0).mean() == pytest.approx(expected, abs=0.03)
