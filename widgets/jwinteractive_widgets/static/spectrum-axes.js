// Axes of a spectrum: scales, round ticks, the range that suits what is in sight. Pure functions.

/** From values to places between two ends, straight or by logarithms. */
function scaleBetween(low, high, from, to, log = false) {
  const f = log ? Math.log10 : (v) => v;
  const [a, b] = [f(low), f(high)];
  const span = b - a || 1;
  return {
    low, high, log,
    to: (value) => from + ((f(value) - a) / span) * (to - from),
    back: (place) => {
      const value = a + ((place - from) / (to - from)) * span;
      return log ? 10 ** value : value;
    },
  };
}

/** Round values on a straight scale, about so many. */
function roundValues(low, high, about) {
  const rough = (high - low) / Math.max(about, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => rough <= m * power * (1 + 1e-9)) || 10);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

/** Values to write on an axis. */
function axisValues(scale, about) {
  if (!scale.log) {
    const some = roundValues(scale.low, scale.high, about);
    return some.length > 1 ? some : roundValues(scale.low, scale.high, 2 * about + 1);
  }
  const found = [];
  const decades = Math.log10(scale.high / scale.low);
  const steps = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 3 ? [1, 2, 5] : [1];
  for (let d = Math.floor(Math.log10(scale.low)); d <= Math.log10(scale.high); d++) {
    for (const m of steps) {
      const value = Number((m * 10 ** d).toPrecision(3));
      if (value >= scale.low && value <= scale.high) found.push(value);
    }
  }
  return found.length > 1 ? found : roundValues(scale.low, scale.high, about);
}

/** Numbers of an axis as text, all to the digits that tell them apart. */
function axisTexts(values) {
  const largest = Math.max(...values.map(Math.abs), 0);
  const gaps = values.slice(1).map((v, i) => Math.abs(v - values[i])).filter((g) => g > 0);
  const gap = Math.min(...gaps, largest || 1);
  const digits = Math.min(Math.max(Math.ceil(Math.log10(largest / gap)) + 1, 1), 9);
  if (largest >= 1e5 || (largest > 0 && largest < 1e-3)) {
    return values.map((v) => (v === 0 ? "0" : v.toExponential(Math.max(digits - 1, 0)).replace(/\.?0+e/, "e").replace("e+", "e").replaceAll("-", "−")));
  }
  return values.map((v) => String(Number(v.toPrecision(digits + 1))).replace("-", "−"));
}

const median3 = (a, b, c) => Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));

/** What is drawn of a series: its values, or these over their errors. */
function valuesOf(series, snr) {
  if (!snr) return series.y;
  if (!series.err) return new Float64Array(series.y.length).fill(NaN);
  return series.ratio ??= series.y.map((y, i) => y / series.err[i]);
}

/**
 * Range of what is in sight, with some room. One sample alone is not heard, so that a bad pixel
 * leaves the rest to be seen; nor are samples whose error is many times the usual.
 */
function rangeInSight(some, x0, x1, { snr = false, log = false, clip = false } = {}) {
  let [low, high] = [Infinity, -Infinity];
  const found = [];
  const hear = (v) => {
    if (log && !(v > 0)) return;
    if (v < low) low = v;
    if (v > high) high = v;
    if (clip) found.push(v);
  };
  for (const series of some) {
    const y = valuesOf(series, snr);
    const loud = series.err && !snr ? 20 * (series.usual ??= middleOf(series.err)) : Infinity;
    const kept = [];
    for (let i = 0; i < y.length; i++) {
      if (!(series.x[i] >= x0 && series.x[i] <= x1) || !Number.isFinite(y[i])) continue;
      if (series.err && series.err[i] > loud) continue;
      kept.push(y[i]);
    }
    if (kept.length < 5) { kept.forEach(hear); continue; }
    const middle = kept.slice(1, -1).map((v, i) => median3(kept[i], v, kept[i + 2]));
    middle.forEach(hear);
    // the peak of a line may be one sample, a bad pixel is far off
    const [a, b] = [Math.min(...middle), Math.max(...middle)];
    for (const v of kept) if (v >= a - 0.4 * (b - a) && v <= b + 0.4 * (b - a)) hear(v);
  }
  if (clip && found.length > 20) { // ratios have no bounds where what is below is nearly 0
    found.sort((a, b) => a - b);
    const [a, b] = [0.02, 0.98].map((share) => found[Math.round(share * (found.length - 1))]);
    [low, high] = [Math.max(low, a - 0.6 * (b - a)), Math.min(high, b + 0.6 * (b - a))];
  }
  if (!(low <= high)) return log ? [0.1, 10] : [0, 1];
  if (log) {
    const room = Math.max((high / low) ** 0.06, 1.05);
    return [low / room, high * room];
  }
  const room = 0.07 * (high - low) || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

function middleOf(values) {
  const known = values.filter((v) => v > 0 && Number.isFinite(v)).sort();
  return known.length ? known[known.length >> 1] : Infinity;
}

/** First and last x that some series have. */
function reachOf(some) {
  let [low, high] = [Infinity, -Infinity];
  for (const { x, y } of some) {
    for (let i = 0; i < x.length; i++) {
      if (Number.isFinite(x[i]) && Number.isFinite(y[i])) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
      }
    }
  }
  if (!(low <= high)) return [0, 1];
  const room = 0.01 * (high - low) || 0.5;
  return [low - room, high + room];
}

/** Number of the sample whose x is nearest; -1 where there is none. */
function nearestSample({ x, y }, at) {
  let [best, found] = [Infinity, -1];
  for (let i = 0; i < x.length; i++) {
    const far = Math.abs(x[i] - at);
    if (far < best && Number.isFinite(y[i])) [best, found] = [far, i];
  }
  return found;
}
