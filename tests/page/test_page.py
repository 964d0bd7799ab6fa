"""The page: nothing on it is markup but its own, nothing is asked of any server, bytes repeat."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import time
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from genobench.data.catalogue import available
from genobench.registry import generators, tasks
from genobench.report import leaderboard, shown
from genobench.report.collect import build
from genobench.report.learning import DRAWN
from genobench.report.page import code_spans, policy, render
from genobench.report.page_plots import curves, forest, forest_scale
from genobench.report.page_views import row_flags
from genobench.report.reading import read_records
from genobench.report.svg import Scale, labels, ticks
from genobench.report.tables import Tables

from .made import CARDS, EVIL, EVIL_TEXT, MODELS, TASKS, record, records, tables

COMMITTED = Path(__file__).parents[2] / "leaderboards"
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Document(HTMLParser):
    """Elements in order, the text between tags, and what is open when."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.unbalanced: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.inside or self.inside.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.inside[-1] if self.inside else "", []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def made() -> Tables:
    return tables()


@pytest.fixture(scope="module")
def text(made: Tables) -> str:
    return render(made, CARDS)


@pytest.fixture(scope="module")
def document(text: str) -> Document:
    return Document(text)


def test_hostile_names_stay_text(document: Document) -> None:
    """A model called <script> is shown by its name; no element comes from a record or a card."""
    assert len(document.of("script")) == 1
    assert len(document.of("style")) == 1
    assert document.of("img") == []
    assert not [a for _, a in document.elements for name in a if name.startswith("on")]
    assert EVIL in document.texts["a"]
    assert EVIL in document.texts["code"]
    assert any(EVIL_TEXT.split("`")[0] in t for t in document.texts["td"] + document.texts["dd"])


def test_elements_are_closed_in_order(document: Document) -> None:
    """The page is well formed, and every id is there once."""
    assert document.unbalanced == []
    assert document.inside == []
    ids = Counter(a["id"] for _, a in document.elements if "id" in a)
    assert max(ids.values()) == 1


def test_closed_parts_are_whole_and_no_target(made: Tables, text: str) -> None:
    """What is made when it is opened: every data set of a model, every table of all metrics."""
    parts = re.findall(r"<noscript>(.*?)</noscript>", text, re.DOTALL)
    appearances = sum(len(block.models) for block in made.blocks)
    wide = sum(sum(map(t.measured, t.metrics)) > 1 for b in made.blocks for t in b.tables)
    assert len(parts) == appearances + wide == text.count("noscript>") / 2
    for part in parts:
        document = Document(part)
        assert document.unbalanced == document.inside == []
        assert not any("id" in attributes for _, attributes in document.elements)
        assert document.of("table")


def test_links_and_descriptions_have_targets(document: Document) -> None:
    """Links within the page, and sentences that are shown on hover, lead somewhere."""
    ids = {a["id"] for _, a in document.elements if "id" in a}
    wanted = {a["href"] for a in document.of("a") if (a["href"] or "").startswith("#")}
    wanted |= {f"#{a['aria-describedby']}" for _, a in document.elements if "aria-describedby" in a}
    assert {w for w in wanted if w is not None and w[1:] not in ids} == set()


def test_nothing_is_requested(document: Document, text: str) -> None:
    """Only papers are linked; no source, style sheet, font or picture has an address."""
    sources = ("src", "srcset", "data", "poster", "action", "background", "xlink:href")
    assert not [a for _, a in document.elements for key in sources if key in a]
    assert [a["href"] for a in document.of("link")] == ["data:,"]
    assert "url(" not in text
    assert "@import" not in text
    outside = {a["href"] for a in document.of("a") if not (a["href"] or "").startswith("#")}
    assert outside == {"https://arxiv.org/abs/2603.10873"}
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|import)\b *\(", text)


def test_policy_allows_what_is_there_and_nothing_else(document: Document) -> None:
    """Hashes of style and script are those of the text between their tags; no inline attribute."""
    (meta,) = [a for a in document.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    given = dict(part.split(" ", 1) for part in (meta["content"] or "").split("; "))
    assert given["default-src"] == "'none'"
    for element, source in (("style", "style-src"), ("script", "script-src")):
        digest = hashlib.sha256("".join(document.texts[element]).encode()).digest()
        assert given[source] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert not [a for _, a in document.elements if "style" in a]
    assert "unsafe" not in policy("", "")


def test_policy_comes_before_what_it_rules(text: str) -> None:
    """A policy in the page holds for what follows it only."""
    assert text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script>")


def test_same_records_same_bytes(text: str) -> None:
    """Neither the order of records nor that of cards changes a byte."""
    again = build(records()[::-1], CARDS, TASKS)
    assert render(again, dict(reversed(CARDS.items()))) == text


def test_every_number_that_ranks_is_shown(made: Tables, document: Document) -> None:
    """Headline values, models, tasks, the failed job and the commands are all there."""
    shown = "\n".join(t for texts in document.texts.values() for t in texts)
    for block in made.blocks:
        for table in block.tables:
            assert table.task.title in shown
            for row in table.rows:
                value = f"{row.cells[table.headline.name].summary.value:.3f}".replace("-", "−")
                assert value in document.texts["b"]
    assert "genobench run --models snpgen --suite smoke --data default --seeds 0-2" in shown
    assert "crashed" in document.texts["td"]


def test_intervals_are_drawn_for_every_row(made: Tables, document: Document) -> None:
    """One drawing per row and table beside the number, and the plot in two panels."""
    rows = sum(len(t.rows) + 1 for b in made.blocks for t in b.tables)  # and the axis
    kinds = Counter(a.get("class") for a in document.of("svg"))
    assert kinds["forest"] == rows
    assert kinds["plot"] == 2 * len(made.blocks)
    assert kinds["curve"] == len(made.blocks) * len(MODELS)
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in document.of("svg"))


def test_every_model_is_named_once_in_the_plot(made: Tables, text: str) -> None:
    """In one of the two panels, whatever lies on top of whatever."""
    drawn = Document("".join(re.findall(r'<svg class="plot".*?</svg>', text)))
    named = Counter(t for t in drawn.texts["text"] if t in MODELS)
    assert named == dict.fromkeys(MODELS, len(made.blocks))


def test_ranks_and_costs_are_drawn_of_generators(made: Tables, text: str) -> None:
    """One drawing per task and data set; a control is no offer, and its line is named at most."""
    tasks = sum(len(block.tables) for block in made.blocks)
    ranked = {"vae", "snpgen", "wgan_gp", EVIL}
    for kind in ("ranks", "costs"):
        drawn = re.findall(rf'<svg class="{kind}".*?</svg>', text)
        assert len(drawn) == tasks
        for one in drawn:
            found = Document(one)
            assert ranked <= set(found.texts["text"])
            (spots,) = [a for a in found.of("path") if a["class"] == "spots entrant"]
            assert (spots["d"] or "").count("h0") == len(ranked)
            assert float(spots["stroke-width"] or 0) >= 8


def test_what_is_far_from_generators_does_not_squeeze_them(made: Tables) -> None:
    """The label-blind floor of utility is beyond the axis of cost, the ceiling a line on it."""
    table = next(t for t in made.blocks[0].tables if t.task.name == "prs_utility")
    low, high = shown.frame(table)
    assert low > -0.3
    assert list(shown.lines(table, table.headline, low, high)) == ["real"]


def test_public_data_set_says_what_it_is(document: Document) -> None:
    """Title, what not to conclude from it, licence; a file of one's own says nothing."""
    card = available()["default"]
    shown_texts = document.texts["p"]
    assert f"{card.title}." in shown_texts
    assert [t for t in shown_texts if "Licence:" in t] == [
        f"{card.caution} Licence: {card.licence}."
    ]


def test_every_heading_that_needs_it_is_explained(document: Document) -> None:
    """Ties, intervals and cost have their sentence, whether or not their column sorts."""
    told = {a["aria-describedby"] for _, a in document.elements if "aria-describedby" in a}
    ids = {f"read-{name}" for name in ("rank", "ties", "people", "seeds", "rescaled", "cost")}
    assert ids <= told


def test_what_lies_far_outside_is_an_arrow(made: Tables) -> None:
    """Copies do not squeeze the generators into one spot, nor does the axis hide them."""
    table = next(t for t in made.blocks[0].tables if t.task.name == "privacy")
    scale = forest_scale(table, table.headline)
    values = {r.model: r.cells["attack"].summary.value for r in table.rows}
    assert scale.holds(values["real"])
    assert scale.holds(values["vae"])
    assert not scale.holds(values["copy"])
    (row,) = [r for r in table.rows if r.model == "copy"]
    assert "l-6 -4v8z" in forest(table, row, table.headline, scale)


def test_flags_name_what_is_wrong(made: Tables) -> None:
    """A failed job is flagged in its row alone, with its reason."""
    table, block = made.blocks[0].tables[0], made.blocks[0]
    found = {r.model: row_flags(table, block, r) for r in table.rows}
    (flag,) = [f for f in found["wgan_gp"] if f.kind == "failed"]
    assert flag.sentence.startswith("wgan_gp, seed 2: crashed in fit")
    assert found["real"] == []


def test_sampling_that_does_not_repeat_is_flagged() -> None:
    """A verdict of the record; "not measured" is none."""
    changed = [r | {"determinism": "different"} if r["job"]["model"] == "vae" else
               r | {"determinism": "not measured"} for r in records()]  # fmt: skip
    block = build(changed, CARDS, TASKS).blocks[0]
    rows = {r.model: row_flags(block.tables[0], block, r) for r in block.tables[0].rows}
    assert [f.mark for f in rows["vae"]] == ["≠"]
    assert "seed 0, 1, 2" in rows["vae"][0].sentence
    assert rows["snpgen"] == []


def test_no_records_at_all() -> None:
    """An empty leaderboard is a page as well."""
    assert "No records yet" in render(build([], CARDS, TASKS), {})


def test_device_is_a_column_where_devices_differ() -> None:
    """Otherwise it stands once, above the tables."""
    alike = [record(m, s, "d", "smoke") for m in MODELS for s in range(2)]
    assert ">Device</th>" not in render(build(alike, CARDS, TASKS), CARDS)
    gpu = {"device": "cuda", "device_name": "a card"}
    other = [r | {"environment": gpu} if r["job"]["model"] == "vae" else r for r in alike]
    assert ">Device</th>" in render(build(other, CARDS, TASKS), CARDS)


def test_few_of_many_learning_curves_are_drawn() -> None:
    """More would hide one another, and make the page long."""
    many = [record("vae", s, "d", "smoke", learning=[{"step": i, "validation": 1 / i}
            for i in range(1, 9)]) for s in range(DRAWN + 5)]  # fmt: skip
    (found,) = curves(many)
    assert found.count("<polyline") == DRAWN


def test_model_without_a_card() -> None:
    """It is shown by what its records say."""
    found = Document(render(tables(), {}))
    assert "No card: this model is not installed where the page was made." in found.texts["p"]


def test_plug_in_in_a_file_is_repeated_as_one() -> None:
    """By its file and class, as its record has them; not by its name."""
    changed = records()
    for r in changed:
        r["job"]["spec"] = f"{r['job']['model']}.py:Mine"
    text = render(build(changed, CARDS, TASKS), CARDS)
    assert "--models path/to/snpgen.py:Mine --suite" in text


def test_code_spans_are_escaped() -> None:
    """Between backquotes, too; a lone one stays."""
    assert code_spans("a `<b>` c") == "a <code>&lt;b&gt;</code> c"
    assert code_spans("5` <i>") == "5` &lt;i&gt;"
    assert code_spans("r -0.1 `-0.1` 0-2 -x") == "r −0.1 <code>-0.1</code> 0-2 -x"


@pytest.mark.parametrize(
    ("low", "high", "most"),
    [(0, 1, 6), (-0.28, 0.06, 8), (0.43, 1.07, 8), (3, 4.2e6, 5), (-7, -6.9999, 5)],
)
def test_ticks_are_round_few_and_inside(low: float, high: float, most: int) -> None:
    """At least two and at most as many as asked for, evenly, each text another."""
    at = ticks(low, high, most)
    assert 2 <= len(at) <= most
    assert low - 1e-9 <= at[0]
    assert at[-1] <= high + 1e-9
    steps = [b - a for a, b in pairwise(at)]
    assert max(steps) - min(steps) < 1e-6 * (high - low)
    leading = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-6)
    assert round(leading, 6) in (1, 2, 5)
    texts = [text for _, text in labels(at)]
    assert len(set(texts)) == len(texts)


def test_scale_does_not_leave_its_ends() -> None:
    """What lies beyond is drawn at the edge."""
    scale = Scale(0, 2, 10, 30)
    assert (scale(1), scale.clipped(5), scale.clipped(-5)) == (20, 30, 10)
    assert Scale(1, 1, 0, 8)(1) == 4


def test_twenty_models_on_six_data_sets_stay_small_and_quick() -> None:
    """Below 5 MB, built in seconds (20 s are allowed), from five seeds and full records."""
    kept = read_records(COMMITTED / "records" / "default-smoke")
    latest = {r["job"]["model"]: r for r in kept if r["status"] == "ok"}
    models = list(latest)[:20]
    many = [
        latest[model] | {"key": f"{model}{data}{seed}",
                         "job": latest[model]["job"] | {"data": f"d{data}", "seed": seed}}
        for model in models for data in range(6) for seed in range(5)
    ]  # fmt: skip
    cards = {name: plugin.card for name, plugin in generators().items()}
    asked = {name: plugin.card for name, plugin in tasks().items()}
    started = time.process_time()
    text = render(build(many, cards, asked), cards)
    assert time.process_time() - started < 20
    assert len(models) == 20
    assert len(text.encode()) < 5e6


def test_committed_records_make_a_small_page() -> None:
    """Below 5 MB with the cards that are installed."""
    cards = {name: plugin.card for name, plugin in generators().items()}
    made = leaderboard.rebuild(
        COMMITTED, cards, {name: plugin.card for name, plugin in tasks().items()}
    )
    text = render(made, cards)
    assert len(text.encode()) < 5e6
    assert Document(text).unbalanced == []
