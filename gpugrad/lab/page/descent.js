// ---- descent: paths computed in the browser, as running.py computes them ----

const TOLERANCE = 1e-6, OUT_OF_REACH = 1e8;

/** Return normal random numbers, the same for a seed; they differ from NumPy's. */
function noiseOf(seed) {
  let state = (seed + 1) >>> 0;
  const uniform = () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller
}

/** Return the path of an optimizer: points, values, gradient norms, and why it ended. */
function descend(f, start, { rule, options, lr, noise = 0, seed = 0, steps }) {
  const move = STEPS[rule](options), random = noiseOf(seed), far = OUT_OF_REACH * (1 + Math.hypot(...start));
  const points = [], values = [], norms = [];
  let end = "max_steps";
  for (let p = [...start], k = 0; ; k++) {
    const [value, ...gradient] = f(...p), norm = Math.hypot(...gradient);
    points.push([...p]);
    values.push(value);
    norms.push(norm);
    const distance = Math.hypot(p[0] - start[0], p[1] - start[1]);
    if (!(Number.isFinite(value) && Number.isFinite(norm) && distance < far)) end = "diverged";
    else if (norm < TOLERANCE && !(noise && [SADDLE, MAXIMUM].includes(curvatureAt(f, p).kind))) end = "tolerance";
    if (end !== "max_steps" || k === steps) return { points, values, norms, end };
    move(p, noise ? gradient.map((part) => part + noise * random()) : gradient, lr);
  }
}
