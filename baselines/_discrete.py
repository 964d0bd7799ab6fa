"""Diffusion over discrete states: the process, its variational bound, its samplers.

Austin et al. 2021 (D3PM, arXiv:2107.03006) with one family of processes,
q(x_t | x_0) = Cat(alpha_t x_0 + (1 - alpha_t) pi), alpha_0 = 1, alpha_T = 0: pi is the mask
(absorbing) or the uniform distribution. A denoiser ``(x_t, alpha_t) -> logits`` (B, L, 3) says what
is believed of x_0 at each site from the rest; Bayes' rule adds what the site itself still shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

CALLS = 3
MASK = 3  # the absorbing state
Denoise = Callable[[Tensor, Tensor], Tensor]  # states (B, L), alpha (B,) -> logits (B, L, 3)
Shape = Literal["linear", "cosine", "quadratic", "cubic"]


def progress(shape: Shape, u: Tensor) -> Tensor:
    """Share of the sites that are known after a share ``u`` of the steps; rises from 0 to 1.

    All but the linear one put most of the steps where little is known yet: there a step that
    draws several sites at once, independently, costs most.
    """
    if shape == "cosine":
        return 1 - torch.cos(0.5 * math.pi * u)
    return u ** {"linear": 1, "quadratic": 2, "cubic": 3}[shape]


def keeping(T: int, shape: Shape = "linear") -> Tensor:
    """(T + 1,) alpha_0 = 1 ... alpha_T = 0."""
    alpha = progress(shape, torch.linspace(1, 0, T + 1, dtype=torch.float64)).float()
    alpha[0], alpha[-1] = 1.0, 0.0
    return alpha


@dataclass(frozen=True)
class Process:
    """The forward process and what Bayes' rule makes of it."""

    absorbing: bool

    @property
    def states(self) -> int:
        """Dosages, and the mask."""
        return CALLS + self.absorbing

    def noise(self, device: torch.device) -> Tensor:
        """(S,) the distribution pi of x_T."""
        pi = torch.full((self.states,), 0.0 if self.absorbing else 1 / CALLS, device=device)
        if self.absorbing:
            pi[MASK] = 1.0
        return pi

    def start(self, n: int, L: int, device: torch.device) -> Tensor:
        """(n, L) int8 x_T ~ pi."""
        if self.absorbing:
            return torch.full((n, L), MASK, dtype=torch.int8, device=device)
        return torch.randint(CALLS, (n, L), dtype=torch.int8, device=device)

    def corrupt(self, x0: Tensor, alpha: Tensor, u: Tensor) -> Tensor:
        """x_t (B, L) given x_0, alpha_t (B,) and uniform numbers (B, L), one per site."""
        alpha = alpha[:, None]
        kept = u < alpha
        if self.absorbing:
            return torch.where(kept, x0, torch.full_like(x0, MASK))
        v = (u - alpha) / (1 - alpha).clamp(min=1e-9)  # uniform again, where the site is noise
        return torch.where(kept, x0, (CALLS * v).clamp(0, CALLS - 1).to(x0.dtype))

    def likelihood(self, x_t: Tensor, keep: Tensor) -> Tensor:
        """(B, L, S) q(x_t | x_s = j), where the site was kept with probability ``keep`` (B,)."""
        pi, keep = self.noise(x_t.device), keep[:, None, None]
        same = x_t[..., None] == torch.arange(self.states, device=x_t.device)
        return keep * same + (1 - keep) * pi[x_t.long()][..., None]

    def posterior(self, belief: Tensor, x_t: Tensor, before: Tensor, now: Tensor) -> Tensor:
        """(B, L, S) p(x_s | x_t) when x_0 ~ ``belief`` (B, L, 3); eq. 3 and 4 of D3PM.

        ``before`` and ``now`` (B,) are alpha_s >= alpha_t. A one-hot belief gives the true
        posterior q(x_s | x_t, x_0).
        """
        belief = F.pad(belief, (0, self.states - CALLS))
        share = before[:, None, None]
        prior = share * belief + (1 - share) * self.noise(x_t.device)  # of x_s, x_t unseen
        joint = prior * self.likelihood(x_t, now / before)
        return joint / joint.sum(-1, keepdim=True).clamp(min=1e-30)


def bound_terms(
    process: Process, logits: Tensor, x0: Tensor, x_t: Tensor, before: Tensor, now: Tensor
) -> Tensor:
    """(B,) KL(q(x_s | x_t, x_0) || p(x_s | x_t)) summed over sites: the terms of eq. 1 of D3PM."""
    true = process.posterior(F.one_hot(x0.long(), CALLS).float(), x_t, before, now)
    guess = process.posterior(logits.softmax(-1), x_t, before, now)
    kl = torch.xlogy(true, true) - true * guess.clamp(min=1e-30).log()
    return kl.sum((1, 2))


def surprise(process: Process, logits: Tensor, x0: Tensor, x_t: Tensor, now: Tensor) -> Tensor:
    """(B,) -log p(x_0 | x_t) summed over sites: the auxiliary term of eq. 5 of D3PM."""
    seen = process.likelihood(x_t, now)[..., :CALLS].clamp(min=1e-30).log()
    log_p = (logits + seen).log_softmax(-1)
    return -log_p.gather(-1, x0.long()[..., None]).sum((1, 2))


def masked_bound(denoise: Denoise, x0: Tensor, k: Tensor, u: Tensor, extra: float = 0.0) -> Tensor:
    """(B,) the absorbing process's bound in the limit of many steps, from ``k`` (B,) masked sites.

    There the bound is the masked sites' cross-entropy times 1 / t, averaged over times t (eq. 10
    of MDLM, arXiv:2406.07524, for alpha_t = 1 - t). Given the number of masked sites the weight's
    mean is L / k, k uniform on 1..L: the same expectation with less variance. ``extra`` is the
    weight of the plain cross-entropy (lambda in eq. 5 of D3PM).
    """
    L = x0.shape[1]
    edge = u.sort(1).values.gather(1, k[:, None] - 1)
    hidden = u <= edge  # the k sites with the smallest numbers
    x_t = torch.where(hidden, torch.full_like(x0, MASK), x0)
    logits = denoise(x_t, 1 - k / L)
    error = F.cross_entropy(logits.movedim(-1, 1), x0.long(), reduction="none")  # (B, L)
    return (error * hidden).sum(1) * (L / k + extra)


def stepwise_bound(
    process: Process,
    denoise: Denoise,
    x0: Tensor,
    t: Tensor,
    u: Tensor,
    alpha: Tensor,
    extra: float = 0.0,
) -> Tensor:
    """(B,) T times the bound's term at times ``t`` (B,) in 1..T, plus ``extra`` times eq. 5's."""
    now, before = alpha[t], alpha[t - 1]
    x_t = process.corrupt(x0, now, u)
    logits = denoise(x_t, now)
    terms = (len(alpha) - 1) * bound_terms(process, logits, x0, x_t, before, now)
    return terms + extra * surprise(process, logits, x0, x_t, now) if extra else terms


def stratified(n: int, size: int, device: torch.device) -> Tensor:
    """(n,) integers, uniform on 1..size and evenly spread over a batch, in random order."""
    u = (torch.arange(n, device=device) + torch.rand(n, device=device)) / n
    return (1 + (u * size).long()).clamp(max=size)[torch.randperm(n, device=device)]


def elbo(process: Process, denoise: Denoise, x0: Tensor, alpha: Tensor, draws: int = 16) -> Tensor:
    """(n,) estimates of the bound on -log p(x_0), nats per person, from ``draws`` times each.

    The last term, KL(q(x_T | x_0) || pi), is zero since alpha_T = 0.
    """
    total = torch.zeros(len(x0), device=x0.device)
    for _ in range(draws):
        t = stratified(len(x0), len(alpha) - 1, x0.device)
        u = torch.rand(x0.shape, device=x0.device)
        total += stepwise_bound(process, denoise, x0, t, u, alpha)
    return total / draws


def drawn(logits: Tensor) -> Tensor:
    """One state per row of logits (..., S), by the Gumbel-max trick."""
    u = torch.rand_like(logits).clamp(min=1e-20)
    return (logits - (-u.log()).clamp(min=1e-20).log()).argmax(-1)


def sample_ancestral(
    process: Process, denoise: Denoise, x: Tensor, alpha: Sequence[float], temperature: float = 1.0
) -> Tensor:
    """States by p(x_s | x_t), from noise ``x`` (B, L) along ascending ``alpha``, 0 to 1."""
    for now, before in pairwise(alpha):
        here, there = (torch.full((len(x),), a, device=x.device) for a in (now, before))
        belief = (denoise(x, here) / temperature).softmax(-1)
        chances = process.posterior(belief, x, there, here)
        x = drawn(chances.clamp(min=1e-30).log()).to(x.dtype)
    return x


def sample_revealing(
    denoise: Denoise, x: Tensor, known: Sequence[int], temperature: float = 1.0
) -> Tensor:
    """Masked ``x`` (B, L) revealed in an order of each person's own, until ``known[i]`` are known.

    Ancestral sampling of the absorbing process with the number of sites per step fixed at its mean.
    """
    order = torch.rand(x.shape, device=x.device).argsort(1)
    for before, after in pairwise(known):
        sites = order[:, before:after]
        share = torch.full((len(x),), before / x.shape[1], device=x.device)
        logits = denoise(x, share).gather(1, sites[..., None].expand(-1, -1, CALLS))
        x = x.scatter(1, sites, drawn(logits / temperature).to(x.dtype))
    return x


def reveal_counts(L: int, steps: int, shape: Shape) -> list[int]:
    """Numbers of known sites 0 ... L along the steps; every step reveals at least one."""
    shares = progress(shape, torch.linspace(0, 1, min(steps, L) + 1, dtype=torch.float64))
    known = [max(i, round(L * float(share))) for i, share in enumerate(shares)]
    return [*known[:-1], L]
