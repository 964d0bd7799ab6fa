"""What is run: one generator, on one data set, from one seed; and the key it is known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from genobench.registry import TaskPlugin
from genobench.seeds import derive

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Limits:
    """What one child process may use before it is stopped.

    Attributes
    ----------
    seconds
        Wall-clock time of the whole job: load, fit, sample, score.
    memory_bytes
        Resident memory of the process and everything it started.
    device_memory_bytes
        What its tensors may take of a GPU; 0: all that there is.
    """

    seconds: float
    memory_bytes: int
    device_memory_bytes: int = 0


@dataclass(frozen=True)
class Job:
    """One fit and the sample drawn from it.

    Attributes
    ----------
    model, spec
        Name in tables, and the text by which a child process finds the plug-in again.
    plugin_sha256
        Checksum of its source and card.
    settings, suite
        Keyword settings of the generator and the suite they belong to.
    data, data_key, split_sha256, split_seed
        Data set by name, by content as asked for, and as it was split.
    seed
        The user's seed; `fit_seed` and `sample_seed` are derived from it.
    device
        ``cpu`` or ``cuda``.
    limits
        Not part of the key: a fit that ended within its limits stays valid under wider ones, and
        raising ``--timeout`` for one slow model repeats nothing.
    control
        It is a control rather than an entrant; controls are run first.
    variant, tuning
        What the command line added to the generator, and how that was found; records hold them.
        The key knows them by ``model`` and ``settings``.
    processes
        That fit together, each on a device of its own; they decide the outcome where there are
        several.
    """

    model: str
    spec: str
    plugin_sha256: str
    settings: Mapping[str, Any]
    suite: str
    data: str
    data_key: str
    split_sha256: str
    split_seed: int
    seed: int
    device: Device
    limits: Limits
    control: bool = False
    variant: str = ""
    tuning: Mapping[str, Any] | None = None
    processes: int = 1

    @property
    def key(self) -> str:
        """SHA-256 (hex) of everything that decides the outcome."""
        return content_key(
            {
                "model": self.model,
                "plugin": self.plugin_sha256,
                "settings": dict(self.settings),
                "suite": self.suite,
                "data": self.data_key,
                "split": self.split_sha256,
                "seed": self.seed,
                "device": self.device,
                **({"processes": self.processes} if self.processes > 1 else {}),
            }
        )

    @property
    def fit_seed(self) -> int:
        """Seed of ``fit``, in [0, 2**63)."""
        return derive(self.seed, "fit", self.model)

    @property
    def sample_seed(self) -> int:
        """Seed of ``sample``."""
        return derive(self.seed, "sample", self.model)

    @property
    def title(self) -> str:
        """The job in a line of text."""
        return f"{self.model} seed {self.seed}"


@dataclass(frozen=True)
class Asked:
    """One task as asked in a run: what a child needs to find it, and the keys of its results.

    Attributes
    ----------
    task, spec, sha256
        Name, how to find it again, checksum of source and card.
    versions
        Metric name -> version, from the card.
    reference_key, reference_seed
        Identity and seed of the prepared reference (task, split, seed): its file's name.
    """

    task: str
    spec: str
    sha256: str
    versions: Mapping[str, int]
    reference_key: str
    reference_seed: int

    def score_seed(self, job: Job) -> int:
        """Seed of the score: the same for all models of one seed, so that draws are common."""
        return derive(job.seed, "score", self.task)

    def score_key(self, job: Job) -> str:
        """Key of this task's score of ``job``: a changed task or metric never mixes with old."""
        return content_key(
            {
                "job": job.key,
                "task": self.sha256,
                "versions": dict(self.versions),
                "seed": self.score_seed(job),
            }
        )


def asked(plugin: TaskPlugin, *, split_sha256: str, split_seed: int) -> Asked:
    """The task as asked on one split."""
    name = plugin.card.name
    seed = derive(split_seed, "reference", name)
    key = content_key({"task": plugin.checksum, "split": split_sha256, "seed": seed})
    versions = {metric: card.version for metric, card in plugin.card.metrics.items()}
    return Asked(name, plugin.spec, plugin.checksum, versions, key, seed)


def content_key(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def recorded_job(record: Mapping[str, Any]) -> Job:
    """The job that a record is of."""
    job = record["job"]
    return Job(
        model=job["model"],
        spec=job["spec"],
        plugin_sha256=record["software"]["plugin_sha256"],
        settings=job["settings"],
        suite=job["suite"],
        data=job["data"],
        data_key=job["data_key"],
        split_sha256=record["inputs"]["split_sha256"],
        split_seed=job["split_seed"],
        seed=job["seed"],
        device=job["budget"]["device"],
        limits=Limits(
            float(job["budget"]["seconds"]),
            int(job["budget"]["memory_bytes"]),
            int(job["budget"].get("device_memory_bytes", 0)),
        ),
        variant=job.get("variant", ""),
        tuning=record.get("tuning"),
        processes=int(job["budget"].get("processes", 1)),
    )
