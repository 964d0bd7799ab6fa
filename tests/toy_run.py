"""A run of five models on the toy people: records, split and samples, without a fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from genobench.cohort import Genotypes
from genobench.data.split import Split
from genobench.registry import find_task
from genobench.run.store import Store
from genobench.run.worker import checksum
from genobench.seeds import rng

KEY = "d" * 64
MODELS = ("vae", "li_stephens", "real", "hwe", "copy")


def samples(split: Split) -> dict[str, Genotypes]:
    """What the models of the toy run drew: most rows of the first are new, seven are copies."""
    draw, train = rng(0, "toy figures"), split.train.genotypes
    p = train.mean(axis=0, dtype=float) / 2
    noisy = train[draw.permutation(len(train))]
    flips = draw.random(noisy.shape) < 0.1
    mixed = np.where(flips, draw.binomial(2, p, noisy.shape), noisy).astype(np.int8)
    mixed[:7] = train[:7]
    crossed = np.concatenate([noisy[:, :32], noisy[::-1, 32:]], axis=1)
    independent = draw.binomial(2, p, train.shape).astype(np.int8)
    drawn = (mixed, crossed, split.control.genotypes, independent, train)
    return dict(zip(MODELS, drawn, strict=True))


def record(model: str, genotypes: Genotypes, score: float, split: Split) -> dict[str, Any]:
    """A record of a job that went well."""

    def metric(task: str, name: str) -> dict[str, Any]:
        version = find_task(task).card.metrics[name].version
        value = {"value": score, "low": score - 0.02, "high": score + 0.02}
        return {"metrics": {name: {**value, "n": split.test.n, "seconds": 0.1, "version": version}}}

    curve = [{"step": s, "seconds": s / 2, "validation": 5 - s / 3} for s in range(1, 9)]
    return {
        "schema": 1,
        "key": model.encode().hex().ljust(64, "0"),
        "job": {"model": model, "suite": "smoke", "settings": {}, "data": "toy",
                "data_key": KEY, "split_seed": 0, "seed": 0},
        "software": {"genobench": "0.1.0"},
        "inputs": {"trait": "toy", "kind": "binary", "split_sha256": split.checksum},
        "outputs": {"n": len(genotypes), "m": 64, "synthetic_sha256": checksum(genotypes)},
        "status": "ok",
        "phase": "done",
        "error": None,
        "environment": {"device": "cpu", "cpu": "A CPU"},
        "resources": {"fit_seconds": 4.0 + score, "samples_per_second": 4e4},
        "learning": curve if model == "vae" else [],
        "scores": {
            "fidelity": metric("fidelity", "two_sample_auc"),
            "privacy": metric("privacy", "strongest_attack_auc"),
            "prs_utility": metric("prs_utility", "joint_gap"),
        },
        "finished": "2025-01-01T00:00:00Z",
    }  # fmt: skip


def stored(root: Path, split: Split) -> Path:
    """A run that keeps its split and its samples."""
    store = Store(root)
    scores = (0.6, 0.75, 0.5, 0.99, 0.52)
    with store.locked(), store.building(store.data_folder(KEY)) as folder:
        split.save(folder)
    for (model, genotypes), score in zip(samples(split).items(), scores, strict=True):
        content = record(model, genotypes, score, split)
        np.save(store.sample_path(content["key"]), genotypes)
        store.record_path(content["key"]).write_text(json.dumps(content))
    return store.root
