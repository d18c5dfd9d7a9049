// The lane above the charts: a mark for each event, a bar for each alert, on the charts' axis.
{
  const { html, svg } = perfkit;
  const HEIGHT = { marks: 26, bar: 7, gap: 3 };
  const ORDER = { note: 0, info: 1, warning: 2, critical: 3 };
  const MOST_ROWS = 4;

  const shape = (event, x, y) => {
    if (event.kind === "note") return svg("path", { d: `M${x},${y - 4}v8`, class: "event-line own s-info" });
    const fill = `f-${event.severity}`;
    if (event.severity === "critical") return svg("path", { d: `M${x},${y - 7}l7,7l-7,7l-7,-7z`, class: fill });
    if (event.severity === "warning") return svg("path", { d: `M${x},${y - 6.5}l7,12h-14z`, class: fill });
    return svg("circle", { cx: x, cy: y, r: 4.5, class: fill });
  };

  perfkit.EventLane = class {
    // onOpen(event): a mark was chosen.
    constructor(stack, onOpen) {
      this.stack = stack;
      this.onOpen = onOpen;
      this.plot = svg("svg", { class: "plot lane", role: "group", "aria-label": "Events and alerts. Arrow keys move between events, Enter shows one in the table." });
      this.figure = html("figure", { class: "chart" }, this.plot);
      this.figure.classList.add("lane-figure");
      this.active = 0;
    }

    draw() {
      const width = Math.max(240, Math.round(this.plot.getBoundingClientRect().width));
      const sides = perfkit.sides(width);
      const inner = width - sides.left - sides.right;
      const [low, high] = this.stack.domain;
      const x = (value) => sides.left + ((value - low) / (high - low)) * inner;
      const bars = this.bars(x, sides.left, width - sides.right);
      const height = HEIGHT.marks + bars.rows * (HEIGHT.bar + HEIGHT.gap) + (bars.rows ? 3 : 0);
      this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.plot.setAttribute("height", height);
      this.cursorLayer = svg("g", { "pointer-events": "none" });
      this.frame = { x, left: sides.left, right: width - sides.right, height };
      const title = this.stack.events.length ? "events" : this.stack.alerts.length ? "alerts" : "";
      this.plot.replaceChildren(
        svg("text", { x: sides.left - 8, y: HEIGHT.marks / 2 + 4, "text-anchor": "end" }, title),
        svg("line", { x1: sides.left, x2: width - sides.right, y1: HEIGHT.marks / 2 + 0.5, y2: HEIGHT.marks / 2 + 0.5, class: "grid" }),
        ...bars.drawn, this.cursorLayer, ...this.marks(x, sides.left, width - sides.right),
      );
    }

    marks(x, left, right) {
      // The severe are drawn last, so that they lie on top.
      const rank = (event) => (event.kind === "note" ? ORDER.note : ORDER[event.severity]);
      const seen = this.stack.events.filter((event) => {
        const at = this.stack.placeOf(event);
        return at !== null && x(at) >= left - 1 && x(at) <= right + 1;
      });
      this.buttons = [];
      const inTime = [...seen].sort((a, b) => a.t - b.t);
      const made = new Map(inTime.map((event, number) => [event, this.mark(event, x(this.stack.placeOf(event)), number)]));
      this.buttons = inTime.map((event) => made.get(event));
      if (this.buttons.length) this.buttons[Math.min(this.active, this.buttons.length - 1)].setAttribute("tabindex", 0);
      return [...seen].sort((a, b) => rank(a) - rank(b)).map((event) => made.get(event));
    }

    mark(event, x, number) {
      const y = HEIGHT.marks / 2;
      const label = `${event.severity} ${event.kind}${event.s === null ? "" : `, step ${event.s}`}: ${event.metric} ${event.message}`;
      const group = svg("g", { class: "mark", role: "button", tabindex: -1, "aria-label": label, "data-event": event.n },
        svg("circle", { cx: x, cy: y, r: 11, class: "mark-ring" }), shape(event, x, y));
      const show = () => {
        const box = group.getBoundingClientRect();
        perfkit.tip.show(box.right, box.bottom + 10, ...perfkit.eventText(event, this.stack));
        this.stack.setCursor(this.stack.placeOf(event), null);
      };
      group.addEventListener("pointerenter", show);
      group.addEventListener("focus", show);
      for (const away of ["pointerleave", "blur"]) {
        group.addEventListener(away, () => {
          perfkit.tip.hide();
          this.stack.setCursor(null, null);
        });
      }
      group.addEventListener("click", () => this.onOpen(event));
      group.addEventListener("keydown", (key) => this.key(key, event, number));
      return group;
    }

    key(key, event, number) {
      const next = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: this.buttons.length - 1 }[key.key];
      if (key.key === "Enter" || key.key === " ") {
        key.preventDefault();
        this.onOpen(event);
      } else if (next !== undefined && this.buttons[next]) {
        key.preventDefault();
        this.buttons[number].setAttribute("tabindex", -1);
        this.buttons[next].setAttribute("tabindex", 0);
        this.active = next;
        this.buttons[next].focus();
      }
    }

    bars(x, left, right) {
      const ends = [];
      const drawn = [];
      for (const alert of this.stack.alerts) {
        const [from, to] = this.stack.spanOf(alert);
        if (from === null || x(to) < left || x(from) > right) continue;
        let row = ends.findIndex((end) => end <= x(from) - 1);
        if (row < 0) row = Math.min(ends.length, MOST_ROWS - 1);
        const start = Math.max(left, x(from));
        const end = Math.max(start + 3, Math.min(right, x(to)));
        ends[row] = end;
        const bar = svg("rect", {
          x: start, y: HEIGHT.marks + row * (HEIGHT.bar + HEIGHT.gap), width: end - start, height: HEIGHT.bar, rx: 2, class: `f-${alert.severity}`, "data-alert": alert.rule,
        });
        bar.addEventListener("pointerenter", (pointer) => perfkit.tip.show(pointer.clientX, pointer.clientY + 30, ...perfkit.alertText(alert)));
        bar.addEventListener("pointerleave", () => perfkit.tip.hide());
        drawn.push(bar);
      }
      return { rows: ends.length, drawn };
    }

    read(value) {
      const inside = value !== null && this.frame.x(value) >= this.frame.left && this.frame.x(value) <= this.frame.right;
      const x = inside ? this.frame.x(value) : 0;
      this.cursorLayer.replaceChildren(...(inside ? [svg("line", { x1: x, x2: x, y1: 0, y2: this.frame.height, class: "cursor" })] : []));
      return [];
    }

    select() {}
  };
}
