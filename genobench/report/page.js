"use strict";
// The page is whole without this: it adds sorting, filters, bars, opening by link, sentences on
// hover, and closed parts that are made when they are opened.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // What is long and closed is the text of a noscript element, of which nothing was made when the
  // page was opened. The text is the page's own, and no other may become elements.
  const given = { createHTML: (text) => text };
  const policy = window.trustedTypes ? trustedTypes.createPolicy("parts", given) : given;
  const make = (part) => { part.outerHTML = policy.createHTML(part.textContent); };
  const makeOpen = (root) => all("details noscript", root)
    .filter((part) => !part.closest("details:not([open])")).forEach(make);
  // The rest follows whenever there is nothing else to do, so that a search in the page finds it.
  const idle = window.requestIdleCallback || ((work) => setTimeout(() => work({ timeRemaining: () => 0 }), 50));
  const makeRest = (deadline) => {
    do {
      const part = document.querySelector("details noscript");
      if (!part) return;
      make(part);
    } while (deadline.timeRemaining() > 10);
    idle(makeRest);
  };
  addEventListener("load", () => idle(makeRest));
  addEventListener("beforeprint", () => makeOpen(document));

  // Sorting stays within entrants and within controls: controls are not ranked.
  const value = (cell) => {
    const text = cell.dataset.v ?? cell.textContent.trim().replace(/−/g, "-").replace(/,/g, "");
    return text === "" ? NaN : parseFloat(text);
  };
  const order = (rows, column, sorts, down) => {
    const key = (row) => {
      const cell = row.cells[column];
      if (sorts === "text") return cell.textContent.trim();
      const x = value(cell);
      return sorts[0] === "t" ? Math.abs(x - parseFloat(sorts.slice(1))) : x;
    };
    const keyed = rows.map((row, i) => ({ row, i, k: key(row) }));
    keyed.sort((a, b) => {
      if (sorts === "text") return (a.k < b.k ? -1 : a.k > b.k ? 1 : 0) * (down ? -1 : 1) || a.i - b.i;
      if (Number.isNaN(a.k) || Number.isNaN(b.k)) return Number.isNaN(a.k) - Number.isNaN(b.k) || a.i - b.i;
      return (a.k - b.k) * (down ? -1 : 1) || a.i - b.i;
    });
    return keyed.map((entry) => entry.row);
  };
  // the headline's heading spans its number and its drawing
  const column = (head) => [...head.parentElement.cells].slice(0, head.cellIndex)
    .reduce((sum, cell) => sum + cell.colSpan, 0);
  const sort = (head) => {
    const table = head.closest("table"), sorts = head.dataset.sort;
    const bestFirst = sorts === "higher" ? "descending" : "ascending";
    const other = bestFirst === "descending" ? "ascending" : "descending";
    const wanted = head.getAttribute("aria-sort") === bestFirst ? other : bestFirst;
    all("th[aria-sort]", table).forEach((th) => th.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", wanted);
    for (const body of table.tBodies) {
      body.append(...order([...body.rows], column(head), sorts, wanted === "descending"));
    }
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".sortable th[data-sort] button");
    if (button) sort(button.parentElement);
  });

  // Bars under the numbers of a table of all metrics, drawn when it is first opened: value and
  // interval as they stand there.
  const shape = (kind, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, x] of Object.entries(attributes)) made.setAttribute(name, x);
    return made;
  };
  const bar = (text, low, high) => {
    const [x, half] = text.replace(/−/g, "-").replace(/,/g, "").split("±").map(parseFloat);
    if (Number.isNaN(x)) return null;
    const at = (v) => 3 + 58 * Math.min(1, Math.max(0, (v - low) / (high - low)));
    const drawn = shape("svg", { class: "bar", "aria-hidden": "true" });
    if (half !== undefined) drawn.append(shape("path", { d: `M${at(x - half)} 3.5H${at(x + half)}` }));
    drawn.append(shape("circle", { cx: at(x) }));
    return drawn;
  };
  const bars = (table) => {
    for (const head of all("th[data-low]", table)) {
      for (const body of table.tBodies) {
        for (const row of body.rows) {
          const cell = row.cells[head.cellIndex];
          const drawn = bar(cell.textContent, parseFloat(head.dataset.low), parseFloat(head.dataset.high));
          if (drawn) cell.append(drawn);
        }
      }
    }
    all(".bars", table).forEach((words) => { words.hidden = false; });
  };
  document.addEventListener("toggle", ({ target }) => {
    if (!target.open) return;
    makeOpen(target);
    all(".bars[hidden]", target).forEach((words) => bars(words.closest("table")));
  }, true);

  // Filter: data sets everywhere on the page, and models that none of them holds.
  const form = document.querySelector(".filter");
  if (form) {
    const blocks = all(".block"), models = all(".model"), results = all("#results > .block");
    const apply = () => {
      const { data, suite } = form.elements;
      for (const block of blocks) {
        block.hidden = (data.value !== "" && block.dataset.data !== data.value)
          || (suite.value !== "" && block.dataset.suite !== suite.value);
      }
      for (const model of models) model.hidden = all(".block", model).every((block) => block.hidden);
      const shown = results.filter((block) => !block.hidden).length;
      const none = shown ? "" : ": no data set was run with this suite";
      form.querySelector("output").textContent = `${shown} of ${results.length} shown${none}`;
    };
    form.hidden = false;
    form.addEventListener("change", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  // What lies between is laid out only as it comes near, and moves the target: gone to until it
  // stays where it is, unless the reader moves on.
  let going = 0;
  const goTo = (target, turn = ++going, left = 30) => {
    target.scrollIntoView();
    const top = target.getBoundingClientRect().top;
    const stays = () => Math.abs(target.getBoundingClientRect().top - top) < 1;
    setTimeout(() => { if (left && turn === going && !stays()) goTo(target, turn, left - 1); }, 60);
  };
  for (const moved of ["wheel", "touchstart", "keydown", "pointerdown"]) {
    addEventListener(moved, () => { going += 1; }, { passive: true });
  }

  // A link to something inside a closed part opens it.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") part.open = true;
    }
    makeOpen(document);
    goTo(target);
    const summary = target.tagName === "DETAILS" && target.querySelector("summary");
    if (summary) summary.focus({ preventScroll: true });
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    // no hashchange follows; later, since the browser itself takes the focus away first
    if (link && link.getAttribute("href") === location.hash) setTimeout(open);
  });
  if (location.hash) open();

  // Sentences of flags and metrics, on hover and on focus; Escape puts them away.
  const tip = document.getElementById("tip");
  let closing = 0, told = null;
  const hide = () => { tip.hidden = true; };
  const place = () => {
    if (tip.hidden) return;
    const at = told.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, innerWidth - own.width - 8));
    const below = at.bottom + 6 + own.height < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - own.height - 6)}px`;
  };
  const show = (of) => {
    clearTimeout(closing);
    const text = document.getElementById(of.getAttribute("aria-describedby"));
    if (!text) return;
    told = of;
    tip.textContent = text.textContent;
    tip.hidden = false;
    place();
  };
  const described = (event) => event.target.closest && event.target.closest("[aria-describedby]");
  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const of = described(event);
      if (of) show(of);
      else if (kind === "mouseover" && tip.contains(event.target)) clearTimeout(closing);
    });
  }
  for (const kind of ["mouseout", "focusout"]) {
    document.addEventListener(kind, () => { clearTimeout(closing); closing = setTimeout(hide, 150); });
  }
  // focus by keyboard scrolls; the sentence stays with what it describes
  addEventListener("scroll", place, { passive: true, capture: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
