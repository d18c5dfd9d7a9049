// From points in pixels to path data, and labels that do not lie on each other.
{
  const RADIUS = 2.5;

  // points: [x, y] in the order of recording, y null where there is no finite value. Returns path data: the line with its gaps, dots where
  // points are few or alone between gaps, and bars on the floor where values are not finite.
  perfkit.path = (points, { floor, few }) => {
    const [line, dots, odd] = [[], [], []];
    let [open, oddFrom, before, alone] = [false, null, 0, null];
    const dot = ([x, y]) => dots.push(`M${(x - RADIUS).toFixed(1)},${y.toFixed(1)}a2.5,2.5 0 1,0 5,0a2.5,2.5 0 1,0 -5,0`);
    const closeOdd = (to) => {
      if (oddFrom === null) return;
      const width = Math.max(2, to - oddFrom).toFixed(1);
      odd.push(`M${oddFrom.toFixed(1)},${floor - 5}h${width}v5h-${width}z`);
      oddFrom = null;
    };
    for (const [x, y] of points) {
      if (y === null) {
        if (alone && !few) dot(alone);
        if (oddFrom === null) oddFrom = x;
        [open, alone] = [false, null];
      } else {
        closeOdd(x);
        if (open && x < before - 0.5) open = false; // the run went on from an earlier step
        line.push(`${open ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`);
        alone = open ? null : [x, y];
        open = true;
        if (few) dot([x, y]);
      }
      before = x;
    }
    if (alone && !few) dot(alone);
    closeOdd(before);
    return { line: line.join(""), dots: dots.join(""), odd: odd.join("") };
  };

  // Move labels (with a y each) down until they are *gap* apart, and all up where the last would be below *floor*.
  perfkit.pushApart = (labels, gap, floor) => {
    labels.sort((a, b) => a.y - b.y);
    for (let at = 1; at < labels.length; at += 1) labels[at].y = Math.max(labels[at].y, labels[at - 1].y + gap);
    const over = labels.length ? labels[labels.length - 1].y - floor : 0;
    if (over > 0) for (const label of labels) label.y -= over;
  };

  perfkit.short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
}
