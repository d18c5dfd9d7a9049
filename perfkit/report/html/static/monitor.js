// The page of a monitored run: its charts, the lane of its events, and what binds them to the tables.
{
  const { html } = perfkit;
  const HEIGHTS = { first: 250, quality: 190, learning: 140, performance: 132 };
  const PARTS = { quality: "Quality", learning: "Learning", performance: "Performance" };
  const NAMES = { step: "Step", epoch: "Epoch", time: "Time" };
  const page = perfkit.data();

  const openRow = (event) => {
    const row = document.getElementById(`event-${event.n}`);
    if (!row) return;
    if (event.kind === "note" && notes && !notes.checked) notes.click();
    for (const other of document.querySelectorAll("tr.marked")) other.classList.remove("marked");
    row.classList.add("marked");
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  };

  const axisChoice = (stack) => {
    const box = document.getElementById("axis");
    for (const axis of page.axes) {
      const input = html("input", { type: "radio", name: "axis", value: axis, checked: axis === stack.axis });
      input.addEventListener("change", () => stack.setAxis(axis));
      box.append(html("label", {}, input, NAMES[axis]));
    }
  };

  const build = () => {
    const stack = new perfkit.Stack(page);
    const place = document.getElementById("charts");
    if (page.events.length || page.alerts.length) {
      const lane = new perfkit.EventLane(stack, openRow);
      stack.add(lane);
      document.getElementById("lane").append(lane.figure);
    }
    let part = "";
    page.charts.forEach((row, number) => {
      if (row.role !== part) {
        part = row.role;
        if (page.parts > 1) place.append(html("p", { class: "part" }, PARTS[part]));
      }
      const series = row.series.map((each) => new perfkit.Series(each, page));
      const height = number === 0 ? HEIGHTS.first : HEIGHTS[row.role];
      const chart = new perfkit.LineChart(stack, { ...row, series, height });
      stack.add(chart);
      place.append(chart.figure);
    });
    document.getElementById("stack").hidden = false;
    axisChoice(stack);
    return stack;
  };

  // Notes (an epoch, a checkpoint) are many and seldom what is looked for: out of the table until they are asked for.
  const notes = document.getElementById("notes");
  if (notes) {
    const table = document.getElementById("events");
    const show = () => table.classList.toggle("without-notes", !notes.checked);
    notes.parentElement.hidden = false;
    notes.addEventListener("change", show);
    show();
  }

  if (page.charts.length) {
    const stack = build();
    const reset = document.getElementById("reset");
    reset.addEventListener("click", () => stack.reset());
    stack.onDomain = (zoomed) => {
      reset.disabled = !zoomed;
    };
    document.getElementById("smooth").addEventListener("change", (change) => {
      stack.smoothing = Number(change.target.value);
      stack.drawNow();
    });
    for (const link of document.querySelectorAll(".goto")) {
      link.addEventListener("click", () => {
        const event = page.events.find((each) => each.n === Number(link.dataset.event));
        const at = event ? stack.placeOf(event) : null;
        if (at === null) return;
        stack.focusOn(at);
        const own = document.querySelector("#charts .chart");
        const named = stack.charts.find((chart) => chart.spec && chart.spec.series.some((series) => series.name === event.metric));
        (named ? named.figure : own).scrollIntoView({ block: "center" });
      });
    }
    stack.drawNow();
    const place = document.getElementById("charts");
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth === width) return; // only its height has changed, by what was drawn
      width = place.clientWidth;
      stack.draw();
    }).observe(place);
    addEventListener("beforeprint", () => stack.drawNow());
  }
}
