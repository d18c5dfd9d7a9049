// Round ticks and numbers as people read them: what report/curves/scales.py does, for axes that change in the browser.
{
  const TIME = [[3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
  const BYTES = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];
  const COUNT = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const ROUND = [1, 2, 2.5, 5, 10, 20];

  const linearTicks = (low, high, most) => {
    const raw = (high - low) / Math.max(1, most);
    if (!(raw > 0 && raw < Infinity)) return [low];
    const power = 10 ** Math.floor(Math.log10(raw));
    for (const factor of ROUND) {
      const step = factor * power;
      const first = Math.ceil(low / step - 1e-9);
      const last = Math.floor(high / step + 1e-9);
      if (last - first + 1 <= most) {
        const ticks = [];
        for (let number = first; number <= last; number += 1) ticks.push(number * step);
        return ticks.length ? ticks : [low];
      }
    }
    return [low];
  };

  const logTicks = (low, high, most) => {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    if (last - first < 1) return linearTicks(low, high, most);
    const stride = Math.ceil((last - first + 1) / Math.max(1, most));
    const ticks = [];
    for (let power = first; power <= last; power += stride) ticks.push(10 ** power);
    return ticks;
  };

  const scaleOf = (top, unit) => {
    const own = { s: TIME, bytes: BYTES }[unit];
    const behind = own ? "" : unit === "1/s" ? "/s" : unit;
    for (const [size, name] of own || COUNT) {
      const least = !own && size === 1e3 ? 10 * size : size;
      if (top >= least * 0.99995) return [size, name + behind];
    }
    if (unit === "s" && top > 0) return TIME[TIME.length - 1];
    return [1, unit === "bytes" ? "B" : own ? unit : behind];
  };

  const plain = (number, digits) => {
    if (number === 0) return "0";
    const size = Math.abs(number);
    if (size >= 1e5 || size < 1e-4) return String(Number(number.toPrecision(digits)).toExponential()).replace("e+", "e");
    return String(Number(number.toPrecision(digits)));
  };

  perfkit.format = {
    value(number, unit = "", digits = 4) {
      if (number === null || Number.isNaN(number)) return "NaN";
      if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
      const [size, name] = scaleOf(Math.abs(number), unit);
      const text = plain(number / size, digits).replace("-", "−");
      return name ? `${text} ${name}` : text;
    },
    // Ticks and labels between low and high, round in the unit that the labels have.
    axis(low, high, most, unit = "", log = false) {
      if (log && low > 0) {
        const ticks = logTicks(low, high, most);
        return [ticks, ticks.map((tick) => perfkit.format.value(tick, unit))];
      }
      const [size, name] = scaleOf(Math.max(Math.abs(low), Math.abs(high)), unit);
      const scaled = linearTicks(low / size, high / size, most);
      let texts = scaled.map((number) => plain(number, 4));
      for (let decimals = 0; decimals < 6; decimals += 1) {
        const fixed = scaled.map((number) => number.toFixed(decimals));
        if (fixed.every((text, at) => Math.abs(Number(text) - scaled[at]) <= 1e-3 * Math.abs(scaled[at]) + 1e-300)) {
          texts = fixed;
          break;
        }
      }
      const shown = texts.map((text, at) => (scaled[at] === 0 ? "0" : (name ? `${text} ${name}` : text).replace("-", "−")));
      return [scaled.map((tick) => tick * size), shown];
    },
    // 75 → "1:15 min": elapsed time.
    elapsed(seconds) {
      if (seconds < 60) return perfkit.format.value(seconds, "s");
      const whole = Math.round(seconds);
      const two = (number) => String(number).padStart(2, "0");
      const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
      return hours ? `${hours}:${two(minutes)}:${two(rest)} h` : `${minutes}:${two(rest)} min`;
    },
  };
}
