"use strict";
// Tables sort by a click on a column's head, and long ones filter; the page is complete without this.
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
