// Tables that sort by a column: a click on its head, a second click the other way round. Empty cells stay at the end.
{
  const key = (row, index, kind) => {
    const text = row.cells[index].dataset.sort;
    if (text === "" || text === undefined) return null;
    return kind === "number" ? Number(text) : text.toLowerCase();
  };

  const sort = (table, head) => {
    const index = head.cellIndex;
    const kind = head.dataset.kind;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [key(row, index, kind), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = a < b ? -1 : a > b ? 1 : 0;
      return down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.tHead.rows[0].cells) {
      head.querySelector("button").addEventListener("click", () => sort(table, head));
    }
  }
}
