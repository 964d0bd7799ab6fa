"""Steps per second of the package's training loops against a plain DataLoader's, same net and loss.

The package keeps int8 genotypes on the device and expands one-hots of a batch there. The plain loop
is fed in four ways (float32 one-hots or one-hots in the collate, without workers and with two), of
which the fastest counts; it computes in float32 with torch's default optimiser, the package in
bf16 where the processor has it, with the fused one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import TensorDataset, default_collate

from genobench.cohort import Cohort
from genobench.generator import Budget
from genobench.registry import find_generator

from .feeding import Feed, feeds, genotype_kinds, plain_descent
from .ledger import Recorder

SIZES = {"smoke": (3_000, 256), "small": (1_800, 512)}  # settings: training people, SNPs
HELD_OUT = 16  # people at whom the package's loop looks every `WARM` steps
WARM, STEPS, ROUNDS = 20, 60, 3  # steps before the clock starts, and under it
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LEAST = {"cpu": 1.5, "cuda": 3.0}

_training = import_module("genobench.baselines._training")
_diffusion = import_module("genobench.baselines._diffusion")
snpgen = import_module("genobench.baselines.snpgen")
WganGp: Any = import_module("genobench.baselines.wgan_gp").WganGp


@dataclass
class Loops:
    """The package's loop and the plain ones, by how they are fed; each says its seconds."""

    ours: Callable[[], float]
    plain: dict[str, Callable[[], float]]
    feeds: dict[str, Feed]
    batches: int = 1  # of a step


@dataclass
class Sides:
    """Cohorts on the device."""

    train: Cohort
    people: Any
    held_out: Any


def settings(model: str, suite: str) -> dict[str, Any]:
    """Of a card, but for so many steps, whatever validation says."""
    length = {"steps": WARM + STEPS, "every": WARM, "epochs": 10**6, "patience": 10**6}
    return {**find_generator(model).card.settings_for(suite), **length}


class Clock:
    """Seconds from the first report of a loop, after `WARM` steps, to its last."""

    def __init__(self) -> None:
        self.read: list[float] = []
        self.budget = Budget(math.inf, DEVICE, torch.get_num_threads(), self.report)

    def report(self, _: Any) -> None:
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        self.read.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        return self.read[-1] - self.read[0]


def timed(run: Callable[[int], None]) -> float:
    """Seconds of `STEPS` steps, after `WARM`."""
    clock = Clock()
    for steps in (WARM, STEPS):
        run(steps)
        clock.report(None)
    return clock.seconds


@contextmanager
def autoencoder(suite: str, sides: Sides) -> Iterator[Loops]:
    """SNPgen's first stage."""
    options = settings("snpgen", suite)
    for name in ("steps", "epochs", "patience"):
        options[f"ae_{name}"] = options[name]
    generator = snpgen.SnpGen(**options)
    network = generator._network(sides.train.m, {}).to(DEVICE)

    def ours() -> float:
        fresh, clock = copy.deepcopy(network), Clock()
        generator._fit_autoencoder(fresh, sides.people, sides.held_out, clock.budget, math.inf)
        return clock.seconds

    def loss(net: Any, x: Tensor, g: Tensor, _: Tensor) -> Tensor:
        """As `Autoencoder.loss`, of one-hots that are there already."""
        mean, logvar = net.encode(x)
        logits = net.decode(mean + (0.5 * logvar).exp() * torch.randn_like(mean))
        error = F.cross_entropy(logits, g.long(), reduction="sum") / len(g)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum() / len(g)
        return error / net.s.exp() + net.L * net.s + kl  # type: ignore[no-any-return]

    def plain(feed: Feed) -> Callable[[], float]:
        net = copy.deepcopy(network.autoencoder)
        run = plain_descent(
            net, feed, lambda *b: loss(net, *b), generator, generator.ae_lr, generator.ae_ema
        )
        return lambda: timed(run)

    with feeds(genotype_kinds(sides.people), generator.ae_batch, DEVICE) as found:
        yield Loops(ours, {how: plain(feed) for how, feed in found.items()}, found)


@contextmanager
def denoiser(suite: str, sides: Sides) -> Iterator[Loops]:
    """SNPgen's second stage, on latents that the first one's initial weights give."""
    generator = snpgen.SnpGen(**settings("snpgen", suite))
    network = generator._network(sides.train.m, {}).to(DEVICE)
    abar = _diffusion.signal(_diffusion.scaled_linear_betas(snpgen.T), DEVICE)
    known = snpgen.posteriors(network.autoencoder, sides.people.genotypes)
    mean, std = known.mean, known.std
    latents = snpgen.LatentScale.fit(mean, std, sides.people.labels, shift=generator.label_shift)

    def ours() -> float:
        fresh, clock = copy.deepcopy(network), Clock()
        generator._fit_denoiser(fresh, sides.people, sides.held_out, clock.budget, math.inf)
        return clock.seconds

    def loss(net: Any, mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
        """As in `SnpGen._fit_denoiser`."""
        x = latents.standardise(mean + std * torch.randn_like(mean), y)
        keep = (torch.rand_like(y) >= generator.drop_label).to(y)
        t = _diffusion.antithetic_times(len(x), snpgen.T, DEVICE)
        value: Tensor = _diffusion.epsilon_loss(
            lambda x, t: net(x, t, y, keep), x, t, abar, torch.randn_like(x)
        )
        return value

    def plain(feed: Feed) -> Callable[[], float]:
        net = copy.deepcopy(network.denoiser)
        run = plain_descent(
            net, feed, lambda *b: loss(net, *b), generator, generator.lr, generator.ema
        )
        return lambda: timed(run)

    data = TensorDataset(mean.cpu(), std.cpu(), sides.people.labels.cpu())
    with feeds({"latents": (data, default_collate)}, generator.batch, DEVICE) as found:
        yield Loops(ours, {how: plain(feed) for how, feed in found.items()}, found)


class Loaded(WganGp):  # type: ignore[misc]
    """WGAN-GP whose real people come from a DataLoader."""

    feed: Feed

    def _real(self, people: Any, stream: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
        x, _, y = next(self.feed)
        return import_module("genobench.baselines._adversarial").smoothed(x, self.smoothing), y

    def _adam(self, network: torch.nn.Module, lr: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(self.beta1, 0.9))


@contextmanager
def wgan_gp(suite: str, sides: Sides) -> Iterator[Loops]:
    """The game of WGAN-GP: a step is one of the generator, after some of the critic."""
    options = settings("wgan_gp", suite)
    shares = torch.stack([(sides.people.genotypes == v).float().mean(0) for v in range(3)])
    scales = WganGp(**options)._scales(sides.people, sides.held_out)

    def play(game: Any) -> Callable[[], float]:
        network = game._network(shares, *scales).to(DEVICE)

        def run() -> float:
            game.network_, clock = copy.deepcopy(network), Clock()
            average = _training.Ema(game.network_, game.ema)
            for step, _ in enumerate(game._rounds(shares, sides.people, WARM + STEPS), start=1):
                average.update(game.network_)
                if step in (WARM, WARM + STEPS):
                    clock.report(None)
            return clock.seconds

        return run

    def loaded(feed: Feed) -> Any:
        game = Loaded(**options)
        game.feed = feed
        return game

    with feeds(genotype_kinds(sides.people), options["batch"], DEVICE) as found:
        plain = {how: play(loaded(feed)) for how, feed in found.items()}
        yield Loops(play(WganGp(**options)), plain, found, batches=options["critic_steps"])


def best(calls: Sequence[Callable[[], float]]) -> list[float]:
    """Least seconds of each, of `ROUNDS`, taken in turn."""
    rounds = [[call() for call in calls] for _ in range(ROUNDS)]
    return [min(seconds) for seconds in zip(*rounds, strict=True)]


@pytest.mark.benchmark_suite
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suite", SIZES)
@pytest.mark.parametrize("made", [autoencoder, denoiser, wgan_gp], ids=lambda made: made.__name__)
def test_training_against_a_dataloader(
    suite: str,
    made: Callable[..., Any],
    make_cohort: Callable[..., Cohort],
    benchmark: Any,
    record: Recorder,
) -> None:
    """Both loops take the same number of steps, in turn; the best of several counts."""
    n, m = SIZES[suite]
    train, validation = make_cohort(n, m, seed=0), make_cohort(HELD_OUT, m, seed=1)
    scale = _training.LabelScale.of(train)
    sides = Sides(train, *(_training.People.of(c, scale, DEVICE) for c in (train, validation)))
    with _training.seeded(0, "bench"), made(suite, sides) as loops:
        ours, *others = best([loops.ours, *loops.plain.values()])
        benchmark.pedantic(loops.ours, rounds=1)
        plain, how = min(zip(others, loops.plain, strict=True))
        alone = loops.batches * loops.feeds[how].alone(STEPS)
    step = plain / STEPS
    mixed = made is not wgan_gp and _training.bf16_helps(DEVICE)
    precision = "bf16" if mixed else "float32"
    note = (
        f"{n:,} x {m}, settings {suite}; the fastest plain loop: {how}, {1000 * step:.1f} ms a "
        f"step, of which feeding, measured alone, is {1000 * alone:.1f} ms ({alone / step:.0%}); "
        f"the package computes in {precision}"
    )
    name = made.__name__ if made is wgan_gp else f"snpgen's {made.__name__}"
    record(f"{name}, {suite}, {DEVICE}, steps per second", STEPS / ours, "/s")
    what = f"{name}, {suite}, {DEVICE}, times a DataLoader loop"
    record(what, plain / ours, "x", target=LEAST[DEVICE], note=note)
