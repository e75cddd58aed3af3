"use strict";
// Tables sort by a click on a column's head, long ones filter, and sliders grey out rows that cost or lose too much; the
// page of a running study reads itself anew. The page is complete without this.
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, index) => {
    const cell = row.cells[index];
    const text = cell.dataset.sort ?? cell.textContent;
    const number = Number(text);
    return text.trim() === "" ? null : Number.isNaN(number) ? text : number;
  };
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const row of body.rows) row.classList.remove("first");
      const sign = down ? -1 : 1;
      const compare = (a, b) => {
        const [x, y] = [key(a, index), key(b, index)];
        if (x === null || y === null) return (x === null) - (y === null);
        if (typeof x === "number" && typeof y === "number") return sign * (x - y);
        return sign * String(x).localeCompare(String(y));
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
  const limits = document.createElement("fieldset");
  limits.className = "limits";
  const tests = [];
  heads.forEach((head, index) => {
    const rows = [...body.rows].filter((row) => typeof key(row, index) === "number");
    if (!head.dataset.limit || rows.length < 2) return;
    const isMost = head.dataset.limit === "most";
    rows.sort((a, b) => (key(a, index) - key(b, index)) * (isMost ? 1 : -1));
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: rows.length - 1 });
    const told = document.createElement("output");
    slider.value = rows.length - 1;
    const limit = () => rows[slider.value].cells[index];
    const say = () => {
      told.textContent = limit().textContent.split("[")[0].trim();
    };
    // What is not known (the unpruned network's difference to itself) is left.
    tests.push((row) => key(row, index) === null || (key(row, index) - key(rows[slider.value], index)) * (isMost ? 1 : -1) <= 0);
    slider.addEventListener("input", () => {
      say();
      for (const row of body.rows) row.classList.toggle("fails", !tests.every((test) => test(row)));
    });
    say();
    label.append(head.querySelector("button").firstChild.textContent.trim(), isMost ? " at most " : " at least ", told, slider);
    limits.append(label);
  });
  if (tests.length) table.parentElement.before(limits);
  if (body.rows.length < 40) continue;
  const label = document.createElement("label");
  label.className = "filter";
  label.append("Show rows with");
  const input = document.createElement("input");
  input.type = "search";
  label.append(input);
  table.parentElement.before(label);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}

// What a reader has opened stays open; whoever sorts, filters or moves a slider is not disturbed.
const live = document.querySelector("[data-reload]");
if (live) {
  const folded = [...document.querySelectorAll("details")];
  const name = (one) => `${one.closest("section")?.id}: ${one.querySelector("summary").textContent}`;
  const opened = new Set(history.state?.opened);
  for (const one of folded) one.open ||= opened.has(name(one));
  const label = document.createElement("label");
  const wanted = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
  label.append(wanted, ` reload every ${live.dataset.reload} s`);
  live.append(" ", label);
  const stay = (event) => {
    if (event.target !== wanted && !event.target.matches(".toggle")) wanted.checked = false;
  };
  document.addEventListener("input", stay);
  for (const head of document.querySelectorAll("th button")) head.addEventListener("click", stay);
  setInterval(() => {
    if (!wanted.checked || document.hidden) return;
    history.replaceState({ opened: folded.filter((one) => one.open).map(name) }, "");
    location.reload();
  }, 1000 * live.dataset.reload);
}
