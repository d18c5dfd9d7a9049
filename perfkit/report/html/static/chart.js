// One line chart: an SVG that is drawn anew when its width, its axis or what is visible changes. The cursor lies above it.
{
  const { html, svg, format } = perfkit;
  const FEW = 40; // a curve with no more points also shows them as dots
  const MANY = 400; // one with more is drawn thinner, so that others are seen beside it
  const TOP = 8;
  const BOTTOM = 24;

  const sides = (width) => (width < 560 ? { left: 52, right: 10, direct: false } : { left: 72, right: 118, direct: true });
  perfkit.sides = sides;

  perfkit.LineChart = class {
    // spec: {title, unit, log, height, low, high, series: [perfkit.Series]}
    constructor(stack, spec) {
      this.stack = stack;
      this.spec = spec;
      this.log = spec.log;
      this.smoothed = new Map();
      this.plot = svg("svg", { class: "plot", tabindex: 0, role: "group", "aria-label": this.description() });
      this.figure = html("figure", { class: "chart", "data-key": spec.key }, this.head(), this.plot);
      stack.listen(this.plot, this);
    }

    description() {
      const names = this.spec.series.map((series) => series.label).join(", ");
      return `${this.spec.title}: ${names}. Left and right arrow keys read values.`;
    }

    head() {
      this.outputs = new Map();
      const head = html("div", { class: "chart-head" }, html("h3", {}, this.spec.title));
      for (const series of this.spec.series) {
        const output = html("output", {});
        const swatch = svg("svg", { width: 22, height: 8, "aria-hidden": true },
          svg("line", { x1: 1, x2: 21, y1: 4, y2: 4, class: `curve s-${series.color}`, "stroke-dasharray": series.dash || null, "stroke-width": 2.5 }));
        const alone = this.spec.series.length === 1; // then the chart's title names it
        const button = html("button", { type: "button", class: "legend", "aria-pressed": "true", title: series.name, "aria-label": alone ? series.name : null },
          swatch, alone ? null : series.label, output);
        button.addEventListener("click", () => this.toggle(series, button));
        this.outputs.set(series, output);
        head.append(button);
      }
      const odd = this.spec.series.reduce((sum, series) => sum + series.notFinite, 0);
      if (odd) head.append(html("span", { class: "chart-note bad" }, `× ${odd.toLocaleString("en")} not finite`));
      const thinned = this.spec.series.filter((series) => series.bucket > 1);
      if (thinned.length) {
        const most = thinned.reduce((a, b) => (a.bucket > b.bucket ? a : b));
        head.append(html("span", { class: "chart-note" },
          `${most.count.toLocaleString("en")} values: least and greatest of every ${most.bucket.toLocaleString("en")}`));
      }
      this.logButton = html("button", { type: "button", class: "button", "aria-pressed": String(this.log) }, "log");
      this.logButton.addEventListener("click", () => {
        this.log = !this.log;
        this.logButton.setAttribute("aria-pressed", String(this.log));
        this.draw();
      });
      this.logButton.hidden = this.spec.low === 0 && this.spec.high === 1; // shares are read on their own scale
      if (!this.canLog()) {
        this.log = false;
        this.logButton.disabled = true;
        this.logButton.setAttribute("aria-pressed", "false");
        this.logButton.title = "Values that are zero or negative have no logarithm.";
      }
      this.logButton.setAttribute("aria-label", `Logarithmic axis for ${this.spec.title}`);
      head.append(this.logButton);
      return head;
    }

    canLog() {
      return this.spec.series.every((series) => series.values.every((value) => !Number.isFinite(value) || value > 0));
    }

    toggle(series, button) {
      series.hidden = !series.hidden;
      button.setAttribute("aria-pressed", String(!series.hidden));
      this.draw();
    }

    shown() {
      return this.spec.series.filter((series) => !series.hidden);
    }

    // -- scales

    measure() {
      this.width = Math.max(240, Math.round(this.plot.getBoundingClientRect().width));
      this.sides = sides(this.width);
      this.inner = this.width - this.sides.left - this.sides.right;
      this.height = this.spec.height;
    }

    x(value) {
      const [low, high] = this.stack.domain;
      return this.sides.left + ((value - low) / (high - low)) * this.inner;
    }

    xBack(pixels) {
      const [low, high] = this.stack.domain;
      return low + ((pixels - this.sides.left) / this.inner) * (high - low);
    }

    y(value) {
      const [low, high] = this.span;
      const part = this.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return TOP + (1 - part) * (this.height - TOP - BOTTOM);
    }

    visible(series) {
      const at = series.along(this.stack.axis);
      const [low, high] = this.stack.domain;
      let [first, last] = [-1, -1];
      for (let index = 0; index < at.length; index += 1) {
        if (at[index] >= low && at[index] <= high) {
          if (first < 0) first = index;
          last = index;
        }
      }
      if (first < 0) { // nothing inside: the two points around it, between which the line passes
        const near = series.nearest(this.stack.axis, (low + high) / 2);
        return [Math.max(0, near - 1), Math.min(at.length - 1, near + 1)];
      }
      return [Math.max(0, first - 1), Math.min(at.length - 1, last + 1)];
    }

    spanOf() {
      let [low, high] = [Infinity, -Infinity];
      for (const series of this.shown()) {
        const [first, last] = this.visible(series);
        for (let index = first; index <= last; index += 1) {
          const value = series.values[index];
          if (Number.isFinite(value)) {
            low = Math.min(low, value);
            high = Math.max(high, value);
          }
        }
      }
      if (!(high >= low)) return [0, 1];
      if (this.log) return high > low ? [low / 1.08, high * 1.08] : [low / 2, high * 2];
      const room = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.05 || 1;
      const fromZero = low > 0 && low < 0.35 * high;
      const bottom = fromZero || (low === 0 && this.spec.low === 0) ? 0 : low - room;
      const top = high + room;
      // Beyond what a value can be there is nothing to show.
      return [this.spec.low !== null && low >= this.spec.low ? Math.max(this.spec.low, bottom) : bottom,
        this.spec.high !== null && high <= this.spec.high && top > this.spec.high ? this.spec.high + (this.spec.high - bottom) * 0.02 : top];
    }

    // -- drawing

    draw() {
      this.measure();
      this.span = this.spanOf();
      this.plot.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      this.plot.setAttribute("height", this.height);
      this.cursorLayer = svg("g", { "pointer-events": "none" });
      const clip = `clip-${this.stack.number(this)}`;
      const inside = svg("g", { "clip-path": `url(#${clip})` }, ...this.moments(), ...this.shown().flatMap((series) => this.curve(series)));
      this.plot.replaceChildren(
        svg("defs", {}, svg("clipPath", { id: clip },
          svg("rect", { x: this.sides.left, y: 0, width: this.inner, height: this.height - BOTTOM + 2 }))),
        ...this.axes(), inside, ...this.direct(), this.cursorLayer,
      );
      this.read(null);
    }

    axes() {
      const out = [];
      const floor = this.height - BOTTOM;
      const [ticks, words] = format.axis(this.span[0], this.span[1], Math.max(2, Math.floor((floor - TOP) / 27)), this.spec.unit, this.log);
      ticks.forEach((tick, at) => {
        const y = Math.round(this.y(tick)) + 0.5;
        if (y < 0 || y > floor + 1) return;
        out.push(svg("line", { x1: this.sides.left, x2: this.width - this.sides.right, y1: y, y2: y, class: "grid" }),
          svg("text", { x: this.sides.left - 8, y: y + 4, "text-anchor": "end" }, words[at]));
      });
      out.push(svg("line", { x1: this.sides.left, x2: this.width - this.sides.right, y1: floor + 0.5, y2: floor + 0.5, class: "edge" }));
      out.push(...this.stack.xTicks(this, floor));
      return out;
    }

    // Bands of alerts and lines of events behind the curves: strong where they are about a series of this chart.
    moments() {
      const out = [];
      const own = new Set(this.spec.series.map((series) => series.name));
      const floor = this.height - BOTTOM;
      for (const alert of this.stack.alerts) {
        const [from, to] = this.stack.spanOf(alert);
        if (from === null || !own.has(alert.metric)) continue;
        const x = this.x(from);
        const width = Math.max(2, this.x(to) - x);
        out.push(svg("rect", { x, y: TOP, width, height: floor - TOP, class: `band g-${alert.severity}` }),
          svg("rect", { x, y: TOP, width, height: 2, class: `band-edge f-${alert.severity}` }));
      }
      for (const event of this.stack.events) {
        const at = this.stack.placeOf(event);
        if (at === null || event.kind === "note") continue;
        const x = Math.round(this.x(at)) + 0.5;
        const isOwn = own.has(event.metric);
        if (!isOwn && event.severity === "info") continue;
        out.push(svg("line", { x1: x, x2: x, y1: TOP, y2: floor, class: `event-line ${isOwn ? "own" : "other"} s-${event.severity}` }));
        if (isOwn) out.push(svg("path", { d: `M${x - 4},${TOP - 7}h8l-4,7z`, class: `f-${event.severity}` }));
      }
      return out;
    }

    curve(series) {
      const share = this.stack.smoothing;
      const smooth = share > 0 ? this.smooth(series, share) : null;
      const [first, last] = this.visible(series);
      const raw = smooth ? " raw" : last - first > MANY ? " many" : "";
      const index = Array.from({ length: last - first + 1 }, (_, at) => first + at);
      const drawn = this.path(series, index, series.values.subarray(first, last + 1));
      const out = [svg("path", { d: drawn.line, class: `curve s-${series.color}${raw}`, "stroke-dasharray": series.dash || null, "data-name": series.name })];
      if (drawn.dots) out.push(svg("path", { d: drawn.dots, class: `dots f-${series.color}${raw}` }));
      if (drawn.odd) out.push(svg("path", { d: drawn.odd, class: "odd", "data-odd": series.name }));
      if (smooth) {
        const means = this.path(series, smooth.index, smooth.values);
        out.push(svg("path", { d: means.line, class: `curve smooth s-${series.color}`, "stroke-dasharray": series.dash || null }));
      }
      return out;
    }

    path(series, index, values) {
      const at = series.along(this.stack.axis);
      const isShown = (value) => Number.isFinite(value) && (!this.log || value > 0);
      const points = index.map((place, n) => [this.x(at[place]), isShown(values[n]) ? this.y(values[n]) : null])
        .filter(([x]) => Number.isFinite(x));
      return perfkit.path(points, { floor: this.height - BOTTOM, few: points.length <= FEW });
    }

    smooth(series, share) {
      const known = this.smoothed.get(series);
      if (!known || known.share !== share) this.smoothed.set(series, { share, means: series.smooth(share) });
      return this.smoothed.get(series).means;
    }

    // The label of each curve at its right end, pushed apart where ends are close.
    direct() {
      if (!this.sides.direct || this.spec.series.length < 2) return [];
      const ends = [];
      for (const series of this.shown()) {
        const [first, last] = this.visible(series);
        for (let index = last; index >= first; index -= 1) {
          const value = series.values[index];
          if (Number.isFinite(value) && (!this.log || value > 0)) {
            ends.push({ series, y: Math.min(Math.max(this.y(value), TOP + 4), this.height - BOTTOM - 2) });
            break;
          }
        }
      }
      perfkit.pushApart(ends, 14, this.height - BOTTOM - 2);
      return ends.map(({ series, y }) => svg("text",
        { x: this.width - this.sides.right + 8, y: y + 4, class: `direct f-${series.color}` }, perfkit.short(series.label, 17)));
    }

    // -- the cursor

    // Show the values nearest to x in the legend, and mark them; null shows the last values.
    read(x) {
      const told = [];
      const layer = [];
      if (x !== null) {
        const px = this.x(x);
        layer.push(svg("line", { x1: px, x2: px, y1: TOP, y2: this.height - BOTTOM, class: "cursor" }));
      }
      for (const series of this.spec.series) {
        const index = x === null ? series.values.length - 1 : series.nearest(this.stack.axis, x);
        const value = series.values[index];
        const text = format.value(value, this.spec.unit);
        this.outputs.get(series).textContent = text;
        const mean = x === null ? null : series.meanNear(this.stack.axis, x);
        told.push({ series, text, mean: mean === null ? "" : `mean of ${series.bucket}: ${format.value(mean, this.spec.unit)}` });
        if (x !== null && !series.hidden && Number.isFinite(value) && (!this.log || value > 0)) {
          const place = this.x(series.along(this.stack.axis)[index]);
          if (place >= this.sides.left - 1 && place <= this.width - this.sides.right + 1) {
            layer.push(svg("circle", { cx: place, cy: this.y(value), r: 4, class: `near f-${series.color}` }));
          }
        }
      }
      this.cursorLayer.replaceChildren(...layer);
      return told;
    }

    select(from, to) {
      const old = this.plot.querySelector(".selection");
      if (old) old.remove();
      if (from === null) return;
      const [low, high] = [Math.min(from, to), Math.max(from, to)];
      this.plot.append(svg("rect", { x: this.x(low), y: TOP, width: Math.max(1, this.x(high) - this.x(low)), height: this.height - TOP - BOTTOM, class: "selection" }));
    }
  };
}
