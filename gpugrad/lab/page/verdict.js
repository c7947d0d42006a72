// ---- verdict: how a path ended and why, judged as in verdict.py and hessian.py, in two dimensions ----

const MINIMUM = "a minimum", SADDLE = "a saddle", MAXIMUM = "a maximum", PLATEAU = "a plateau";
const FEWEST = 8, NO_GRADIENT = 1e-12, HALVINGS = 12;

/** Return the kind of a point, and the eigenvalues of the Hessian from differences of gradients. */
function curvatureAt(f, p) {
  const rows = p.map((x, i) => {
    const by = 6e-6 * Math.max(1, Math.abs(x)), moved = (to) => f(...p.map((at, j) => at + (i === j ? to : 0))).slice(1);
    const ahead = moved(by), behind = moved(-by);
    return ahead.map((part, j) => (part - behind[j]) / (2 * by));
  });
  const [[a, b], [c, d]] = rows, off = (b + c) / 2, middle = (a + d) / 2, reach = Math.hypot((a - d) / 2, off);
  const eigenvalues = [middle - reach, middle + reach];
  if (!eigenvalues.every(Number.isFinite)) return { kind: "a stationary point", eigenvalues: null };
  const zero = 1e-6 * Math.max(1, ...eigenvalues.map(Math.abs));
  if (eigenvalues[0] > zero) return { kind: MINIMUM, eigenvalues };
  if (eigenvalues[0] < -1e3 * zero) return { kind: eigenvalues[1] < -zero ? MAXIMUM : SADDLE, eigenvalues };
  return { kind: degenerateKind(f, p), eigenvalues };
}

/** Return the kind of a point with almost no curvature, from values around it compared with its slope. */
function degenerateKind(f, p) {
  const radius = 1e-2 * (1 + Math.hypot(...p)), [value, ...gradient] = f(...p), slope = radius * Math.hypot(...gradient);
  const around = Array.from({ length: 64 }, (_, i) => (i * Math.PI) / 32)
    .map((angle) => f(p[0] + radius * Math.cos(angle), p[1] + radius * Math.sin(angle))[0]);
  const fall = value - Math.min(...around), rise = Math.max(...around) - value;
  const rounding = 1e-12 * Math.max(1, Math.abs(value));
  if (fall > 2 * slope + rounding) return rise > rounding ? SADDLE : MAXIMUM;
  return fall > Math.max(slope / 2, rounding) || rise <= rounding ? PLATEAU : MINIMUM;
}

const counted = (steps) => `${steps} step${steps === 1 ? "" : "s"}`;
const digits = (x, n) => String(Number(x.toPrecision(n))).replace("-", "−");
const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b), half = sorted.length / 2;
  return (sorted[Math.floor(half - 0.5)] + sorted[Math.floor(half)]) / 2;
};
const gap = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const lengthOf = (points) => points.slice(1).reduce((sum, point, i) => sum + gap(point, points[i]), 0);

/** Return the slopes along a step on both sides of a minimum where they jump, or null if there is none on it. */
function acrossAKink(f, before, after) {
  const length = gap(before, after);
  if (!length) return null;
  const slopeAt = (p) => f(...p).slice(1).reduce((sum, part, i) => sum + (part * (after[i] - before[i])) / length, 0);
  const at = (share) => before.map((x, i) => x + share * (after[i] - x));
  let low = slopeAt(before), high = slopeAt(after), from = 0, to = 1;
  const jump = high - low;
  for (let k = 0; k < HALVINGS; k++) {
    if (!(low < 0 && high >= 0)) return null;
    const middle = (from + to) / 2, slope = slopeAt(at(middle));
    if (slope < 0) [from, low] = [middle, slope];
    else [to, high] = [middle, slope];
  }
  return high - low > jump / 4 ? [low, high] : null;
}

/** Return {verdict, reason} of a path. */
function judge(f, { points, values, norms, end }, { rule, options, lr, noise }) {
  const n = values.length - 1, last = values[n], norm = norms[n], beta = options.momentum ?? 0;
  const limit = rule !== "SGD" ? null : options.nesterov ? (2 * (1 + beta)) / (1 + 2 * beta) : 2 * (1 + beta);
  const atRest = end === "tolerance" || norm <= NO_GRADIENT;
  const { kind, eigenvalues } = curvatureAt(f, points[end === "diverged" ? 0 : n]);
  const stiffness = limit && eigenvalues ? lr * eigenvalues[1] : null;
  const product = () => `η times the Hessian's largest eigenvalue is ${digits(stiffness, 4)}`;
  const both = eigenvalues ? `: the Hessian's eigenvalues are ${eigenvalues.map((x) => digits(x, 4)).join(" and ")}` : "";
  if (end === "diverged") {
    if (n === 0) return { verdict: "diverged", reason: "the value or the gradient at the start is not a finite number" };
    if (last < values[0] && points[n].every(Number.isFinite)) {
      const went = `its value went from ${digits(values[0], 4)} to ${digits(last, 4)} in ${counted(n)}`;
      return { verdict: "diverged", reason: `the surface falls without bound: ${went}` };
    }
    const why = stiffness > limit ? `${product()} at the start, more than ${digits(limit, 3)}: ` : "";
    return { verdict: "diverged", reason: `${why}each step overshoots and lands farther away` };
  }
  if (atRest) {
    const small = `the gradient's norm is ${norm.toExponential(1)} after ${counted(n)}`;
    if ([SADDLE, MAXIMUM].includes(kind)) {
      const what = `at ${kind}, which only noise or another start escapes`;
      return { verdict: "stuck at a saddle", reason: `${small}, ${what}${both}` };
    }
    if (kind === PLATEAU) return { verdict: "slow", reason: `${small}, on ${kind}, not at a minimum${both}` };
    const below = stiffness !== null && stiffness < limit
      ? `, and η times the largest is ${digits(stiffness, 3)}, less than ${digits(limit, 3)}` : "";
    return { verdict: "converged", reason: `${small}, at ${kind}${both}${below}` };
  }
  const slopes = noise || n < FEWEST ? null : acrossAKink(f, points[n - 1], points[n]);
  if (slopes) {
    const jump = `the slope jumps from ${digits(slopes[0], 4)} to ${digits(slopes[1], 4)}`;
    return { verdict: "oscillating", reason: `${jump} at a kink that the last step crosses` };
  }
  if (n < FEWEST) return { verdict: "max_steps", reason: `${counted(n)} ${n === 1 ? "is" : "are"} too few to judge` };
  const quarter = Math.floor(n / 4), length = norms.length;
  const third = median(norms.slice(length - 2 * quarter, length - quarter)), final = median(norms.slice(length - quarter));
  const shrinks = final < third;
  const more = shrinks ? (Math.log(norm / TOLERANCE) / Math.log(third / Math.max(final, NO_GRADIENT))) * quarter : Infinity;
  if (kind === SADDLE && shrinks && final < 1e-2 * norms[0]) {
    return { verdict: "stuck at a saddle", reason: `the path still approaches a saddle after ${counted(n)}${both}` };
  }
  if (more <= n) {
    const reason = `on its way after ${counted(n)}: about ${Math.round(more)} more are needed`;
    return { verdict: "max_steps", reason };
  }
  const recent = points.slice(points.length - 2 * quarter);
  if (lengthOf(recent) > 4 * gap(recent.at(-1), recent[0])) {
    const stiff = stiffness > 0.9 * limit ? `${product()}: ` : "";
    const why = noise ? "the noise of the gradients keeps the point moving: lower the learning rate near the minimum"
      : beta && shrinks ? `momentum ${beta} carries the point past the minimum, and its swings decay slowly`
        : `${stiff}the steps go back and forth, the last one by ${digits(gap(points[n], points[n - 1]), 2)}`;
    return { verdict: "oscillating", reason: why };
  }
  const fall = values[0] - last;
  if (!shrinks && fall > 1 + Math.abs(values[0]) && values[n - quarter] - last > 0.1 * fall) {
    const went = `it went from ${digits(values[0], 4)} to ${digits(last, 4)} in ${counted(n)}`;
    return { verdict: "max_steps", reason: `the value still falls: ${went}` };
  }
  const would = Number.isFinite(more) ? ` and would take about ${digits(more, 2)} more` : "";
  return { verdict: "slow", reason: `the gradient's norm is still ${digits(norm, 2)} after ${counted(n)}${would}${both}` };
}

/** Return a verdict in words, as `words` in verdict.py. */
function wordsOf({ verdict, steps, values, points }, bounds) {
  const inside = (point) => point.every((x, i) => x >= bounds[i][0] && x <= bounds[i][1]);
  let after = steps, key = verdict;
  if (!["converged", "stuck at a saddle"].includes(verdict) && inside(points[0]) && !inside(points[steps])) {
    key = "left";
    after = points.findLastIndex(inside) + 1;
  } else if (verdict === "max_steps" && values[steps] < values[steps - Math.ceil(steps / 4)]) {
    key = "falling";
  }
  return setup.words[key].replace("{steps}", counted(after));
}
