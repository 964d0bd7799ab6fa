"""Records, cards and tables that the page is tested on; names and texts are hostile."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from genobench.generator import Card
from genobench.report.collect import build
from genobench.report.tables import Tables
from genobench.task import MetricCard, TaskCard

EVIL = '<script>alert("x")</script>'
EVIL_TEXT = "</script></style><img src=x onerror=alert(1)> & \"quoted\" 'text' `code`"
ROLES = {"real": "ceiling", "hwe": "floor", "copy": "leak"}
MODELS = ("real", "hwe", "copy", "vae", "snpgen", "wgan_gp", EVIL)
UTILITY = dict(zip(MODELS, (0.0, -0.3, 0.0, -0.05, -0.03, -0.06, -0.2), strict=True))
ATTACK = dict(zip(MODELS, (0.5, 0.5, 1.0, 0.55, 0.52, 0.51, 0.6), strict=True))
FIT = dict(zip(MODELS, (0.1, 0.1, 0.1, 95.0, 700.0, 9.0, 30.0), strict=True))
TASKS = {
    "prs_utility": TaskCard(
        "prs_utility", "Utility", "Utility", "Is it as useful?", ("hwe",),
        {
            "gap": MetricCard("gap", "joint gap", "higher", f"Gap. {EVIL_TEXT}", headline=True),
            "slope": MetricCard("slope", "slope", "target", "Calibration.", target=1.0),
        },
    ),
    "privacy": TaskCard(
        "privacy", "Privacy", "Privacy", f"Does it leak? {EVIL_TEXT}", ("copy",),
        {
            "attack": MetricCard(
                "attack", "strongest attack", "target", "Chance is .5", "bootstrap", target=0.5,
                low=0.0, high=1.0, headline=True,
            )
        },
    ),
}  # fmt: skip
CARDS = {
    m: Card(m, "Model", EVIL_TEXT if m == EVIL else f"Model {m}", role=ROLES.get(m, "entrant"),  # type: ignore[arg-type]
            paper="arXiv:2603.10873" if m == "snpgen" else EVIL_TEXT, year=2026,
            faithful=EVIL_TEXT, departures=(EVIL_TEXT, "Wider."))
    for m in MODELS
}  # fmt: skip


def record(model: str, seed: int, data: str, suite: str, **changes: Any) -> dict[str, Any]:
    """A record of a job that went well."""
    noise = np.random.default_rng([seed, *model.encode(), *data.encode()])

    def metric(value: float) -> dict[str, Any]:
        x = value + 0.004 * noise.standard_normal()
        return {"value": x, "low": x - 0.02, "high": x + 0.02, "n": 600, "version": 1}

    made: dict[str, Any] = {
        "schema": 1,
        "key": hashlib.sha256(f"{data}{suite}{model}{seed}".encode()).hexdigest(),
        "job": {"model": model, "suite": suite, "settings": {"note": EVIL_TEXT}, "data": data,
                "data_key": "d" * 64, "split_seed": 0, "seed": seed},
        "software": {"genobench": "0.1.0", "numpy": "2.0"},
        "inputs": {"trait": EVIL_TEXT, "kind": "binary", "n_train": 1500, "n_test": 600, "m": 512},
        "status": "ok",
        "phase": "done",
        "error": None,
        "environment": {"device": "cpu", "cpu": EVIL_TEXT},
        "resources": {"fit_seconds": FIT[model], "sample_seconds": 1.0, "samples_per_second": 4e4,
                      "peak_memory_bytes": 5e8, "peak_device_bytes": None, "parameters": 1234567},
        "learning": [{"step": s, "validation": 1 / s, "seconds": s / 9} for s in range(1, 99)],
        "scores": {
            "prs_utility": {"metrics": {"gap": metric(UTILITY[model]), "slope": metric(0.9)}},
            "privacy": {"metrics": {"attack": metric(ATTACK[model])}},
        },
        "determinism": "identical",
        "finished": f"2026-01-0{seed + 1}T00:00:00Z",
    }  # fmt: skip
    return made | changes


def records(
    datasets: tuple[tuple[str, str], ...] = (("default", "smoke"), (EVIL, "small")),
) -> list[dict[str, Any]]:
    """Three seeds of every model on every data set; one job died."""
    good = [record(m, s, d, suite) for d, suite in datasets for m in MODELS for s in range(3)]
    error = {"type": None, "message": "", "last_lines": [EVIL_TEXT]}
    dead: dict[str, Any] = {"status": "crashed", "phase": "fit", "scores": {}, "error": error}
    dead |= {"learning": [], "outputs": None}
    return [r | dead if r["job"]["model"] == "wgan_gp" and r["job"]["seed"] == 2 else r
            for r in good]  # fmt: skip


def tables() -> Tables:
    """Both data sets."""
    return build(records(), CARDS, TASKS)
