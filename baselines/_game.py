"""The adversarial game: two players in turn, and the choice of the best generator on validation."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genobench.cohort import MISSING, Cohort, Genotypes, Labels
from genobench.errors import GenobenchError
from genobench.generator import Budget, Generator

from ._adversarial import (
    CriticNetwork,
    GeneratorNetwork,
    gumbel,
    gumbel_softmax,
    k_nearest_f1,
    settle,
    smoothed,
)
from ._blocks import looked_at, spread_evenly
from ._calibration import calibrated, calibration, most_probable
from ._decoding import nearest
from ._training import (
    EarlyStopping,
    Ema,
    LabelScale,
    People,
    batches,
    fixed_calls,
    from_arrays,
    in_chunks,
    one_hot,
    seeded,
    to_arrays,
    write_fixed,
)
from ._unexplained import unexplained

NETS = {  # SNPs: published widths of generator and critic, in units of L
    "1771": ((1 / 2, 1), (3 / 5, 3 / 10)),
    "3493": ((1 / 8, 1 / 4, 1 / 2), (3 / 8, 3 / 16, 3 / 32)),
}
SETTLING = 1024  # synthetic people from whom batch norms take their statistics
CALIBRATION = 1024  # and on whom the calls are calibrated
LOUDER = tuple(1 + tenth / 10 for tenth in range(11))  # factors tried on the noise of the draw


@dataclass
class Adversarial(Generator):
    """The alternating game; a subclass gives the two losses."""

    latent: int = 128
    generator_widths: Sequence[float] = (0.5, 1.0)  # hidden widths in units of L
    critic_widths: Sequence[float] = (0.6, 0.3)
    size: str = ""  # "1771" or "3493": published widths for so many SNPs, not the two above
    epochs: int = 1000  # passes over the training people by the critic, or
    steps: int = 1000  # generator steps, whichever is less
    batch: int = 128
    critic_steps: int = 5  # critic steps per generator step
    lr_generator: float = 1e-4
    lr_critic: float = 1e-4
    beta1: float = 0.5
    temperature: Sequence[float] = (1.0, 0.1)  # first, last; linear in between
    smoothing: float = 0.025  # largest value that a zero of a real one-hot takes
    diversity: bool = False  # minibatch standard deviation as a feature of the critic
    ema: float = 0.0  # decay of the averaged generator; 0 = the generator itself
    noise: float = 1.0  # scale of the Gumbel noise in training and generation
    noise_by_snp: bool = False  # noise and signal as far as other SNPs predict a SNP: see _scales
    calibrate: bool = False  # move logits until calls have the training people's marginals
    matched_noise: bool = False  # louder in the draw, until people are as far apart as in training
    every: int = 100  # generator steps between two looks at validation
    patience: int = 1000  # looks without a better F1 before stopping
    neighbours: int = 5  # k of precision and recall

    @abstractmethod
    def critic_loss(
        self, critic: CriticNetwork, real: Tensor, fake: Tensor, y: Tensor, step: int
    ) -> Tensor:
        """Loss of the critic on real and generated one-hots (B, 3, L) under the same labels."""

    @abstractmethod
    def generator_loss(self, critic: CriticNetwork, fake: Tensor, y: Tensor) -> Tensor:
        """Loss of the generator."""

    def fit(self, train: Cohort, validation: Cohort, *, seed: int, budget: Budget) -> Self:
        """Play the game; the generator with the best k-NN F1 on validation people is kept."""
        deadline = time.monotonic() + 0.9 * budget.seconds
        self.scale_ = LabelScale.of(train)
        self.fixed_ = fixed_calls(train)
        if len(self.sites):
            people = People.of(train.take(variants=self.sites), self.scale_, budget.device)
            seen = looked_at(validation).take(variants=self.sites)
            held_out = People.of(seen, self.scale_, budget.device)
            with seeded(seed, "fit"):
                self._play(people, held_out, budget, deadline)
        return self

    def _play(self, people: People, held_out: People, budget: Budget, deadline: float) -> None:
        counts = torch.stack([(people.genotypes == v).sum(0) for v in range(3)])  # (3, L)
        shares = counts / len(people)
        self.offsets_ = torch.zeros(2, *shares.shape, device=budget.device)
        scales = self._scales(people, held_out)
        self.network_ = self._network(shares, *scales).to(budget.device)
        average = Ema(self.network_, self.ema)
        stopping = EarlyStopping(average.network, self.patience)
        steps = self._length(len(people))
        for step, loss in enumerate(self._rounds(shares, people, steps), start=1):
            average.update(self.network_)
            over = step == steps or time.monotonic() > deadline
            if step % self.every and not over:
                continue
            if not loss.isfinite():
                raise FloatingPointError(f"the generator's loss is {loss} at step {step}")
            settle(average.network, _some(people, SETTLING))
            p, r, f1 = self._look(average.network, held_out)
            budget.report({"step": step, "precision": p, "recall": r, "validation": f1})
            if stopping.update(1 - f1) or over:
                break
        stopping.restore()
        self.network_ = average.network
        if self.calibrate:
            self._calibrate(people)
        if self.matched_noise:
            self._match_noise(people, deadline, budget)

    def _rounds(self, shares: Tensor, people: People, steps: int) -> Iterator[Tensor]:
        """Some steps of the critic, then one of the generator, whose loss comes out; and again."""
        device = people.labels.device
        critic = CriticNetwork(self._layers(shares)[1], shares, diversity=self.diversity)
        of_critic = self._adam(critic.to(device), self.lr_critic)
        of_generator = self._adam(self.network_, self.lr_generator)
        stream = batches(len(people), self.batch, str(device))
        first, last = self.temperature
        for step in range(steps):
            tau = first + (last - first) * step / max(1, steps - 1)
            for _ in range(max(1, self.critic_steps)):
                real, y = self._real(people, stream)
                with torch.no_grad():
                    fake = self._soft(y, tau)
                _descend(of_critic, self.critic_loss(critic, real, fake, y, step))
            loss = self.generator_loss(critic, self._soft(y, tau), y)
            _descend(of_generator, loss)
            yield loss.detach()

    def _length(self, people: int) -> int:
        """Steps of the generator: as many as asked for, or as the epochs of the critic allow."""
        per_epoch = max(1, people // self.batch)
        return max(1, min(self.steps, self.epochs * per_epoch // max(1, self.critic_steps)))

    def _adam(self, network: nn.Module, lr: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(self.beta1, 0.9), fused=True)

    def _layers(self, shares: Tensor) -> tuple[list[int], list[int]]:
        """Hidden widths of generator and critic for shares (3, L)."""
        if self.size and self.size not in NETS:
            raise GenobenchError(f"size {self.size!r} is none of {', '.join(NETS)}")
        units = NETS.get(self.size, (self.generator_widths, self.critic_widths))
        of_generator, of_critic = (_widths(u, shares.shape[1]) for u in units)
        return of_generator, of_critic

    def _network(self, shares: Tensor, noise: Tensor, signal: Tensor) -> GeneratorNetwork:
        return GeneratorNetwork(self.latent, self._layers(shares)[0], shares, noise, signal)

    def _scales(self, people: People, held_out: People) -> tuple[Tensor, Tensor]:
        """(L,) scales of each SNP's Gumbel noise and of what it takes from the features.

        A SNP that the others determine gets little noise, lest errors of its own break its LD; one
        that they hardly predict gets the full draw, lest synthetic people be too much alike, and
        listens little to the features that it shares with the rest, lest the game tie it to them.
        """
        signal = torch.ones(people.genotypes.shape[1], device=people.labels.device)
        if not self.noise_by_snp:
            return self.noise * signal, signal
        share = unexplained(people.genotypes, held_out.genotypes)
        ratio = (share.clamp_min(1e-6) / (1 - share).clamp_min(1e-6)).sqrt()  # noise to signal
        return self.noise * ratio.clamp_max(1), (1 / ratio).clamp_max(1)

    def _real(self, people: People, stream: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
        """One batch of real people: smoothed one-hots (B, 3, L) and labels (B, 1)."""
        index = next(stream)
        return smoothed(one_hot(people.genotypes[index]), self.smoothing), people.labels[index]

    def _soft(self, y: Tensor, temperature: float) -> Tensor:
        """Generated calls (B, 3, L) that carry gradients."""
        return gumbel_softmax(self.network_(self._noise(y), y), temperature, self.network_.noise)

    def _noise(self, y: Tensor) -> Tensor:
        return torch.randn(len(y), self.latent, device=y.device)

    @torch.no_grad()
    def _look(self, network: GeneratorNetwork, held_out: People) -> tuple[float, float, float]:
        """Precision, recall and F1 against at most 1,000 validation people."""
        some = spread_evenly(len(held_out), 1000)
        y, real = held_out.labels[some], held_out.genotypes[some]
        fake = self._draw(network, y)
        return k_nearest_f1(real, fake, self.neighbours)

    @torch.no_grad()
    def _calibrate(self, people: People) -> None:
        y = _some(people, CALIBRATION)
        logits = gumbel(self.network_(self._noise(y), y), self.network_.noise)
        self.offsets_ = calibration(logits, y, people, rounds=20)

    @torch.no_grad()
    def _match_noise(self, people: People, deadline: float, budget: Budget) -> None:
        """The least noise at which people are as far from the next one as in training."""
        y = _some(people, CALIBRATION)
        chosen = torch.randperm(len(people), device=y.device)[: len(y)]
        apart = nearest(people.genotypes[chosen])
        learned = self.network_.noise.clone()
        for factor in LOUDER:
            self.network_.noise.copy_(factor * learned)
            if self.calibrate:
                self._calibrate(people)
            drawn = self._draw(self.network_, y[: len(chosen)])
            if nearest(drawn) >= apart or time.monotonic() > deadline:
                break
        budget.report({"louder": factor})

    def _draw(self, network: GeneratorNetwork, y: Tensor) -> Tensor:
        """Hard calls (B, L): categorical draws, moved by the calibration."""
        logits = gumbel(network(self._noise(y), y), network.noise)
        return most_probable(calibrated(logits, y, self.offsets_))

    @property
    def sites(self) -> NDArray[np.intp]:
        """Columns that vary in training: the network's L SNPs."""
        return np.flatnonzero(self.fixed_ == MISSING)

    def sample(self, labels: Labels, *, seed: int) -> Genotypes:
        """Hard draws; sites that never varied in training keep their call."""
        if not hasattr(self, "fixed_"):
            raise GenobenchError("sample() before fit()")
        rows = np.zeros((len(labels), len(self.fixed_)), dtype=np.int8)
        if len(self.sites):
            device = self.network_.head.linear.bias.device
            with seeded(seed, "sample"), torch.no_grad():
                drawn = [
                    self._draw(self.network_, self.scale_(part, device)).cpu().numpy()
                    for part in in_chunks(labels)
                ]
            rows[:, self.sites] = np.concatenate([rows[:0, self.sites], *drawn])
        return write_fixed(rows, self.fixed_)

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights of the kept generator, label scale, and the sites that never vary."""
        scale = self.scale_.array()
        learned: dict[str, NDArray[Any]] = {}
        if len(self.sites):
            learned = {
                "offsets": self.offsets_.cpu().numpy(),
                **to_arrays(network=self.network_),
            }
        return {"fixed": self.fixed_, "scale": scale, **learned}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` returned."""
        self.fixed_ = np.array(state["fixed"])
        self.scale_ = LabelScale.of_array(state["scale"])
        if L := len(self.sites):
            with seeded(0):
                self.network_ = self._network(torch.ones(3, L), torch.ones(L), torch.ones(L)).eval()
            from_arrays(self.network_, "network", state)
            self.offsets_ = torch.from_numpy(np.array(state["offsets"]))

    @property
    def parameters(self) -> int:
        """Weights of the generator network; the critic is not kept."""
        return sum(p.numel() for p in self.network_.parameters()) if len(self.sites) else 0


def _some(people: People, k: int) -> Tensor:
    """(k, 1) labels of training people, at random."""
    return people.labels[torch.randint(len(people), (k,), device=people.labels.device)]


def _widths(units: Sequence[float], sites: int) -> list[int]:
    return [max(16, round(u * sites)) for u in units]


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
