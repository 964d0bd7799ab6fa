"""The small store of `tests/run`, and plug-ins that strike at a chosen moment."""

from __future__ import annotations

from typing import Literal

from tests.run.conftest import Bench, bench, scheduler, shared_bench, tiny_split

__all__ = ["Bench", "bench", "scheduler", "shared_bench", "tiny_split"]

COUNTED = """
def fit(self, train, validation, *, seed, budget):
    with (FOLDER / "fits").open("a") as file:
        file.write(Path(__file__).stem + "\\n")
    return super().fit(train, validation, seed=seed, budget=budget)
"""
# "half-saved": while the sample is written; "unsaid": it is stored, and nobody was told
MOMENTS = ("load", "fit", "sample", "resample", "save", "half-saved", "unsaid", "score:one")
BLOW = """
import genobench.run.lifeline as lifeline

def strike(marker=FOLDER / "{marker}"):
    if not marker.exists():
        records, own = FOLDER.parent / "out" / "records", '"' + Path(__file__).stem + '"'
        while {late} and not any(own in path.read_text() for path in records.glob("[!.]*")):
            time.sleep(0.05)
        marker.write_text(str(os.getpid()))
        os.kill({victim}, signal.SIGKILL)
        time.sleep(60)

def send(messages, at, *, said=lifeline.Messages.send, strike=strike, moment="{moment}", **content):
    if moment == "unsaid" and at == "fit":
        strike()
    said(messages, at, **content)
    if at == "phase" and content["phase"] == moment:
        strike()

if "{moment}" == "load":
    strike()
elif "{moment}" == "half-saved":
    os.fsync = lambda descriptor, strike=strike: strike()
else:
    lifeline.Messages.send = send
"""


def striking(
    moment: str, victim: Literal["child", "parent"], marker: str, *, heard: bool = True
) -> str:
    """Body of a generator that counts its fits and kills its process, or that one's parent, once.

    ``heard``: a parent that is killed while a task is scored has written the fit down before.
    """
    pid = "os.getpid()" if victim == "child" else "os.getppid()"
    late = heard and victim == "parent" and moment.startswith("score")
    return COUNTED + BLOW.format(moment=moment, victim=pid, marker=marker, late=late)
