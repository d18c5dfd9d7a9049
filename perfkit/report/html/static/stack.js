// Charts above each other that share an x axis: what is visible of it, the cursor, and the keys and pointers that move both.
{
  const { html, svg, format } = perfkit;
  const LEAST_DRAG = 6; // pixels; less is a click
  const ZOOM_STEP = 0.5;

  perfkit.Stack = class {
    // page: what the scripts' data says of axes, events and alerts.
    constructor(page) {
      this.page = page;
      this.charts = [];
      this.axis = page.axes[0];
      this.events = page.events;
      this.alerts = page.alerts;
      this.smoothing = 0;
      this.cursor = null;
      this.onDomain = () => {};
      this.domain = [...page.spans[this.axis]];
      this.draw = perfkit.soon(() => this.drawNow());
    }

    add(chart) {
      this.charts.push(chart);
    }

    number(chart) {
      return this.charts.indexOf(chart);
    }

    drawNow() {
      for (const chart of this.charts) chart.draw();
      this.setCursor(this.cursor, null);
    }

    setAxis(axis) {
      this.axis = axis;
      this.reset();
    }

    reset() {
      this.setDomain(...this.page.spans[this.axis]);
    }

    setDomain(low, high) {
      const [first, last] = this.page.spans[this.axis];
      const least = (last - first) * 1e-5;
      if (high - low < least) return;
      this.domain = [Math.max(first, low), Math.min(last, high)];
      this.onDomain(this.isZoomed());
      this.drawNow();
    }

    isZoomed() {
      const [first, last] = this.page.spans[this.axis];
      return this.domain[0] > first || this.domain[1] < last;
    }

    // Where an event lies on the axis; null where that is not known.
    placeOf(event) {
      if (this.axis === "time") return event.t;
      return this.axis === "epoch" ? perfkit.epochsAt(this.page, event.t) : event.s;
    }

    spanOf(alert) {
      if (this.axis === "time") return [alert.t0, alert.t1];
      return this.axis === "epoch" ? [perfkit.epochsAt(this.page, alert.t0), perfkit.epochsAt(this.page, alert.t1)] : [alert.s0, alert.s1];
    }

    told(x) {
      if (this.axis === "time") return format.elapsed(x);
      return this.axis === "epoch" ? `epoch ${format.value(x, "", 4)}` : `step ${Math.round(x).toLocaleString("en").replace(/,/g, "\u202f")}`;
    }

    xTicks(chart, floor) {
      const [low, high] = this.domain;
      const [ticks, words] = format.axis(low, high, Math.max(2, Math.floor(chart.inner / 90)), this.axis === "time" ? "s" : "");
      const out = [];
      const name = { step: "step", epoch: "epochs completed", time: "time" }[this.axis];
      const named = chart.sides.direct;
      ticks.forEach((tick, at) => {
        const x = Math.round(chart.x(tick)) + 0.5;
        out.push(svg("line", { x1: x, x2: x, y1: floor, y2: floor + 4, class: "edge" }),
          svg("text", { x, y: floor + 17, "text-anchor": "middle" }, words[at]));
      });
      if (named) out.push(svg("text", { x: chart.width - chart.sides.right + 8, y: floor + 17 }, name));
      return out;
    }

    // The cursor at x in every chart; null takes it away. Returns what *chart* reads there.
    setCursor(x, chart) {
      this.cursor = x;
      let told = [];
      for (const each of this.charts) {
        const read = each.read(x);
        if (each === chart) told = read;
      }
      return told;
    }

    listen(plot, chart) {
      let from = null;
      const at = (pointer) => {
        const box = plot.getBoundingClientRect();
        const pixels = ((pointer.clientX - box.left) / box.width) * chart.width;
        const [low, high] = this.domain;
        return Math.min(high, Math.max(low, chart.xBack(pixels)));
      };
      plot.addEventListener("pointermove", (pointer) => {
        const x = at(pointer);
        if (from !== null) for (const each of this.charts) each.select(from.x, x);
        this.point(x, chart, pointer);
      });
      plot.addEventListener("pointerdown", (pointer) => {
        if (pointer.button !== 0) return;
        from = { x: at(pointer), pixels: pointer.clientX };
        plot.setPointerCapture(pointer.pointerId);
      });
      const end = (pointer) => {
        if (from === null) return;
        const to = at(pointer);
        for (const each of this.charts) each.select(null);
        const isDrag = Math.abs(pointer.clientX - from.pixels) >= LEAST_DRAG && pointer.type === "pointerup";
        const [low, high] = [Math.min(from.x, to), Math.max(from.x, to)];
        from = null;
        if (isDrag) this.setDomain(low, high);
      };
      plot.addEventListener("pointerup", end);
      plot.addEventListener("pointercancel", end);
      plot.addEventListener("pointerleave", () => {
        perfkit.tip.hide();
        this.setCursor(null, null);
      });
      plot.addEventListener("dblclick", () => this.reset());
      plot.addEventListener("keydown", (key) => this.key(key, chart));
      plot.addEventListener("blur", () => {
        perfkit.tip.hide();
        this.setCursor(null, null);
      });
    }

    point(x, chart, pointer) {
      const told = this.setCursor(x, chart);
      perfkit.tip.show(pointer.clientX, pointer.clientY, ...this.tipText(x, told));
    }

    tipText(x, told) {
      const rows = told.filter(({ series }) => !series.hidden).map(({ series, text, mean }) => html("tr", {},
        html("td", {}, series.label), html("td", {}, html("strong", {}, text)), mean ? html("td", { class: "soft" }, mean) : null));
      const [low, high] = this.domain;
      const near = this.events.filter((event) => {
        const place = this.placeOf(event);
        return event.kind !== "note" && place !== null && Math.abs(place - x) < (high - low) * 0.006;
      });
      return [html("div", { class: "soft" }, this.told(x)), html("table", {}, html("tbody", {}, ...rows)),
        ...near.slice(0, 3).map((event) => html("div", {}, `${event.severity}: ${event.message}`))];
    }

    key(key, chart) {
      const [low, high] = this.domain;
      const middle = this.cursor === null ? (low + high) / 2 : this.cursor;
      const zoom = (factor) => {
        const half = ((high - low) * factor) / 2;
        this.setDomain(middle - half, middle + half);
      };
      const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };
      if (key.key in moves && !key.ctrlKey && !key.metaKey && !key.altKey) this.move(moves[key.key] * (key.shiftKey ? 10 : 1), chart);
      else if (key.key === "Home") this.moveTo(low, chart);
      else if (key.key === "End") this.moveTo(high, chart);
      else if (key.key === "+" || key.key === "=") zoom(ZOOM_STEP);
      else if (key.key === "-") zoom(1 / ZOOM_STEP);
      else if (key.key === "Escape" || key.key === "0") this.reset();
      else return;
      key.preventDefault();
    }

    // By as many values of the chart's first visible series.
    move(by, chart) {
      const series = chart.shown()[0];
      if (!series) return;
      const at = series.along(this.axis);
      const index = this.cursor === null ? (by > 0 ? -1 : at.length) : series.nearest(this.axis, this.cursor);
      this.moveTo(at[Math.min(at.length - 1, Math.max(0, index + by))], chart);
    }

    moveTo(x, chart) {
      const [low, high] = this.domain;
      if (x < low) this.domain = [x, x + high - low];
      else if (x > high) this.domain = [x - (high - low), x];
      if (x < low || x > high) this.drawNow();
      const told = this.setCursor(x, chart);
      const box = chart.plot.getBoundingClientRect();
      perfkit.tip.show(box.left + (chart.x(x) / chart.width) * box.width, box.top + box.height / 2, ...this.tipText(x, told));
      perfkit.say(`${this.told(x)}: ${told.map(({ series, text }) => `${series.label} ${text}`).join(", ")}`);
    }

    // Show what lies around x, a tenth of the run, with the cursor on it.
    focusOn(x) {
      const [first, last] = this.page.spans[this.axis];
      const half = (last - first) / 20;
      this.setDomain(x - half, x + half);
      this.setCursor(x, null);
    }
  };

  perfkit.eventText = (event, stack) => [
    html("div", { class: "soft" }, `${event.severity} · ${event.kind} · ${event.s === null ? format.elapsed(event.t) : `step ${event.s}`}`),
    html("div", {}, html("strong", {}, event.metric ? `${event.metric}: ` : ""), event.message),
    event.advice ? html("div", {}, `→ ${event.advice}`) : null,
  ].filter((child) => child !== null && stack);

  perfkit.alertText = (alert) => [
    html("div", { class: "soft" }, `${alert.severity} alert · ${alert.state} · ${format.elapsed(alert.duration_s)}`),
    html("div", {}, html("strong", {}, `${alert.rule}: `), alert.message),
  ];
}
