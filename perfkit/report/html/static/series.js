// A series as the page holds it: positions in steps, epochs and seconds, values with gaps, and means where it was thinned.
{
  const summed = (deltas, unit) => {
    const out = new Float64Array(deltas.length);
    let sum = 0;
    for (let at = 0; at < deltas.length; at += 1) {
      sum += deltas[at] || 0;
      out[at] = deltas[at] === null ? NaN : sum * unit; // null: it has no place on this axis
    }
    return out;
  };
  // In the page null is NaN, and "inf" and "-inf" are what they say.
  const number = (value) => (value === null ? NaN : value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);

  const interpolate = (x, [xs, ys]) => {
    const last = xs.length - 1;
    if (x <= xs[0]) return ys[0];
    if (x >= xs[last]) return ys[last];
    let [low, high] = [0, last];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle;
      else high = middle;
    }
    const width = xs[high] - xs[low];
    return width > 0 ? ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / width : ys[high];
  };

  perfkit.Series = class {
    constructor(row, page) {
      this.name = row.name;
      this.label = row.label;
      this.color = row.color;
      this.dash = row.dash;
      this.count = row.count;
      this.bucket = row.bucket;
      this.notFinite = row.not_finite;
      this.hidden = false;
      this.values = Float64Array.from(row.v, number);
      this.page = page;
      this.positions = { time: summed(row.t, page.time_unit_s) };
      if (row.s) this.positions.step = summed(row.s, 1);
      // Of a thinned series the means of its buckets, by the index of the kept point that is nearest.
      this.means = row.means ? Float64Array.from(row.means.v, number) : null;
      this.meanAt = row.means ? Array.from(summed(row.means.i, 1)) : null;
    }

    // Positions of the values on an axis: "step", "epoch" or "time".
    along(axis) {
      if (!this.positions[axis] && axis === "epoch") {
        const steps = this.positions.step;
        this.positions.epoch = this.positions.time.map((t, at) => (steps && Number.isNaN(steps[at]) ? NaN : interpolate(t, this.page.epochs)));
      }
      return this.positions[axis];
    }

    // Index of the value nearest to x. Positions may go back, where a run went on from an earlier step.
    nearest(axis, x) {
      const at = this.along(axis);
      let best = 0;
      if (this.isAscending(axis)) {
        let [low, high] = [0, at.length - 1];
        while (high - low > 1) {
          const middle = (low + high) >> 1;
          if (at[middle] <= x) low = middle;
          else high = middle;
        }
        best = Math.abs(at[low] - x) <= Math.abs(at[high] - x) ? low : high;
      } else {
        let distance = Infinity;
        for (let index = 0; index < at.length; index += 1) {
          const now = Math.abs(at[index] - x); // NaN is never near
          if (now <= distance) [best, distance] = [index, now];
        }
      }
      return best;
    }

    isAscending(axis) {
      this.ascending = this.ascending || {};
      if (this.ascending[axis] === undefined) {
        const at = this.along(axis);
        this.ascending[axis] = at.every((x, index) => index === 0 || x >= at[index - 1]);
      }
      return this.ascending[axis];
    }

    // Mean of the bucket nearest to x; null where every value is there.
    meanNear(axis, x) {
      if (!this.means) return null;
      const at = this.along(axis);
      let best = 0;
      for (let index = 1; index < this.meanAt.length; index += 1) {
        if (Math.abs(at[this.meanAt[index]] - x) < Math.abs(at[this.meanAt[best]] - x)) best = index;
      }
      return this.means[best];
    }

    // Means over a window around each point, which is a share of the points; NaN and ±inf are left out. Twice a moving mean, so that
    // the weights fall off towards the window's ends. At the ends of the run the window is narrower and reaches further to one side.
    smooth(share) {
      const index = this.meanAt || Array.from(this.values.keys());
      let values = this.means || this.values;
      const half = Math.floor((share * values.length) / 4);
      if (half < 1) return null;
      for (let round = 0; round < 2; round += 1) {
        const sums = new Float64Array(values.length + 1);
        const counts = new Float64Array(values.length + 1);
        for (let at = 0; at < values.length; at += 1) {
          const finite = Number.isFinite(values[at]);
          sums[at + 1] = sums[at] + (finite ? values[at] : 0);
          counts[at + 1] = counts[at] + (finite ? 1 : 0);
        }
        values = values.map((value, at) => {
          const reach = Math.max(Math.min(half, at, values.length - 1 - at), Math.ceil(half / 3));
          const [from, to] = [Math.max(0, at - reach), Math.min(values.length, at + reach + 1)];
          return Number.isFinite(value) ? (sums[to] - sums[from]) / (counts[to] - counts[from]) : NaN;
        });
      }
      return { index, values };
    }
  };

  perfkit.epochsAt = (page, seconds) => interpolate(seconds, page.epochs);
}
