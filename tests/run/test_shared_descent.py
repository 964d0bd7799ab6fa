"""Training that several processes share: one network, a part of each batch, noise of one's own."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from genobench.registry import generators

training = import_module("genobench.baselines._training")

TOGETHER: dict[str, Any] = {"gpus_per_fit": 2, "timeout_seconds": 900.0}
# what each process notes of a descent to which it brings its own noise and its own validation
DESCENT = """
def fit(self, train, validation, *, seed, budget):
    import torch
    from importlib import import_module
    from genobench import parallel
    training, rank = import_module("genobench.baselines._training"), parallel.rank()
    x = torch.from_numpy(train.genotypes.astype(np.float32))
    people, noise = [], []
    with training.seeded(seed, "fit"):
        plane = torch.nn.Linear(24, 1)
        error = lambda index: plane(x[index]).square().mean()
        weights = [*plane.parameters()]
        wanted = torch.autograd.grad(error(torch.arange(20)), weights)
        error(parallel.share(torch.arange(20))).backward()
        parallel.mean_gradients(plane)
        gradients = [(g.norm(), (p.grad - g).norm()) for p, g in zip(weights, wanted)]
        network = torch.nn.Sequential(torch.nn.Linear(24, 24), torch.nn.BatchNorm1d(24))

        def loss(index):
            people.append(index.numpy())
            noise.append(torch.randn(3).numpy())
            return (network(x[index]) - x[index]).square().mean()

        network = training.descend(
            network, loss, n=len(x), validate=lambda _: 1.0 / (len(people) + 50 * rank),
            budget=budget, deadline=budget.deadline(), batch=20, steps=12, every=4, patience=9,
        )
    values = [v.flatten().double() for v in network.state_dict().values()]
    self.w_ = torch.cat(values).numpy()
    for what, value in (("people", people), ("noise", noise), ("weights", self.w_),
                        ("gradients", gradients)):
        np.save(FOLDER / f"{Path(__file__).stem}-{rank}-{what}.npy", value)
    self.p_ = np.full(24, 0.5)
    return self

def state(self):
    return {"p": self.p_, "w": self.w_}
"""


@pytest.fixture(scope="module")
def ranks(shared_bench: Any) -> dict[str, Any]:
    """What both processes have noted of the same descent; and its record."""
    spec = shared_bench.generator("descent", DESCENT, 'parallel = "ddp"')
    shared_bench.run([spec], [shared_bench.task("one")], **TOGETHER)
    record = shared_bench.record("descent")
    assert record["status"] == "ok", record["error"]
    found = {
        what: [np.load(shared_bench.plugins / f"descent-{r}-{what}.npy") for r in (0, 1)]
        for what in ("people", "noise", "weights", "gradients")
    }
    return {**found, "learning": record["learning"]}


def test_everybody_of_a_batch_is_seen_once(ranks: dict[str, Any]) -> None:
    """Ten people a step for each process, no one twice in the five steps of a pass."""
    both = np.concatenate(ranks["people"], axis=1)
    assert both.shape == (12, 20)
    for first in (0, 5):
        assert sorted(both[first : first + 5].ravel()) == list(range(100))


def test_noise_is_not_shared(ranks: dict[str, Any]) -> None:
    """Each process draws its own, at every step."""
    one, two = ranks["noise"]
    assert not np.isclose(one, two).any()


def test_all_have_the_network_of_the_first(ranks: dict[str, Any]) -> None:
    """Batch statistics too, which each process takes of its own people; and its validation."""
    np.testing.assert_array_equal(*ranks["weights"])
    assert [point["validation"] for point in ranks["learning"]] == [1 / 4, 1 / 8, 1 / 12]


def test_mean_gradients_are_those_of_the_batch(ranks: dict[str, Any]) -> None:
    """Of each parameter, from the shares of two processes."""
    for length, apart in np.concatenate(ranks["gradients"]):
        assert apart < 1e-5 * length


def test_a_fit_that_is_alone_is_left_as_it_is() -> None:
    """Its gradients, and torch's state."""
    parallel = import_module("genobench.parallel")
    network = torch.nn.Linear(3, 1)
    network(torch.ones(2, 3)).sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    before = [gradient.clone() for gradient in gradients]
    parallel.mean_gradients(network)
    parallel.take_from_first(network)
    assert len(before) == 2
    for old, gradient in zip(before, gradients, strict=True):
        assert torch.equal(gradient, old)
    state = torch.random.get_rng_state()
    assert training.common_order("cpu") is None
    assert torch.equal(torch.random.get_rng_state(), state)


def brief(model: str, **more: Any) -> str:
    """The generator at the settings that show no more than that it works."""
    settings = {**generators()[model].card.settings_for("toy"), "steps": 20, "every": 10, **more}
    return f"{model}({','.join(f'{name}={json.dumps(v)}' for name, v in settings.items())})"


@pytest.mark.timeout(600)
def test_generators_train_in_two_processes(bench: Any) -> None:
    """Those that say so, of one stage and of several, with a second player and without."""
    models = [brief("vae"), brief("d3pm"), brief("snpgen", ae_steps=20, adversary_from=9)]
    bench.run(models, [bench.task("one")], jobs=2, **TOGETHER)
    records = list(bench.store.records())
    assert len(records) == len(models)
    for record in records:
        assert record["status"] == "ok", record["error"]
        assert record["environment"]["processes"] == 2
        assert record["determinism"] == "identical"
