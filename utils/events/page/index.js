"use strict";
const find = (selector) => document.querySelector(selector);
const body = find("tbody"), rows = [...body.rows];
const classes = new Map(rows.map((row) => [row, JSON.parse(row.dataset.classes)]));
const order = {
  score: (a, b) => b.dataset.score - a.dataset.score,
  length: (a, b) => b.dataset.length - a.dataset.length,
  name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
};

function choose() {
  const name = find("#name").value.trim().toLowerCase(), event = find("#class").value;
  for (const row of rows) {
    const named = row.dataset.name.toLowerCase().includes(name);
    row.hidden = !named || (event !== "" && !classes.get(row).includes(event));
  }
  body.append(...rows.toSorted(order[find("#sort").value]));
  const shown = rows.filter((row) => !row.hidden).length;
  find("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} videos`;
}
find("#choose").hidden = false; // of no use without a script
for (const kind of ["input", "change"]) find("#choose").addEventListener(kind, choose);
find("#choose").addEventListener("submit", (event) => event.preventDefault());
choose(); // a browser may remember what was chosen
