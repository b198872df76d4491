"use strict";
// Sorts the table by a column. The page reads without it.
for (const table of document.querySelectorAll("table")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    button.title = "Sort";
    head.replaceChildren(button);
    let turn = 1;
    button.addEventListener("click", () => {
      const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent;
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((a, b) => turn * key(a).localeCompare(key(b), undefined, { numeric: true }));
      turn = -turn;
      body.replaceChildren(...rows);
    });
  });
}
