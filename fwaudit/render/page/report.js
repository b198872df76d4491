"use strict";
// Sorts the table by a column. The page reads without it.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    button.title = "Sort";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const turn = head.ariaSort === "ascending" ? -1 : 1;
      const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent;
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((a, b) => {
        const one = key(a), two = key(b);
        return turn * (Number(one) - Number(two) || one.localeCompare(two, undefined, { numeric: true }));
      });
      heads.forEach((each) => { each.ariaSort = each === head ? (turn === 1 ? "ascending" : "descending") : null; });
      body.replaceChildren(...rows);
    });
  });
}
