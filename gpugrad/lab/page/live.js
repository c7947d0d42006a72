// ---- live: surfaces and races computed in the browser, for a file without a server ----

const HEIGHTS_ACROSS = 120, PROBED = 15;

const linspace = (low, high, n) => Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));
const gridOf = ([across, up], n) => linspace(...up, n).flatMap((y) => linspace(...across, n).map((x) => [x, y]));
const significant = (x, n) => Number(x.toPrecision(n));

/** Return the quantiles of numbers at shares from 0 to 1. */
function quantiles(numbers, shares) {
  const sorted = numbers.filter(Number.isFinite).sort((a, b) => a - b);
  return shares.map((share) => {
    const at = share * (sorted.length - 1), below = Math.floor(at), above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
  });
}

/** Return the values over a grid as heights in contour lines: 1 at the first level, 2 at the second. */
function heightsIn(levels, values) {
  const edges = [2 * levels[0] - levels[1], ...levels, 2 * levels.at(-1) - levels.at(-2)], last = edges.length - 1;
  return Float32Array.from(values, (value) => {
    if (!(value < edges[last])) return last; // NaN too
    if (value <= edges[0]) return 0;
    let low = 0;
    while (edges[low + 1] <= value) low++;
    return low + (value - edges[low]) / (edges[low + 1] - edges[low]);
  });
}

/** Surfaces and paths computed here; setup.described has the surfaces of the catalogue, most without their heights. */
class Live {
  #functions = new Map();

  surface(race) {
    if (!setup.surfaces.includes(race.surface)) {
      throw new Error(`unknown surface '${race.surface}': this file has ${setup.surfaces.join(", ")}`);
    }
    const known = race.surface === setup.own.name ? this.#own(race) : setup.described[race.surface];
    if (known.heights) return known;
    const f = this.#functionOf(known.formula);
    const values = gridOf(known.bounds, HEIGHTS_ACROSS).map((point) => f(...point)[0]);
    const slopes = gridOf(known.bounds, PROBED).map((point) => Math.hypot(...f(...point).slice(1)));
    return {
      ...known,
      slope: known.slope ?? significant(median(slopes.filter(Number.isFinite)) || 0, 2),
      bands: known.levels.length + 1,
      side: HEIGHTS_ACROSS,
      heights: heightsIn(known.levels, values),
    };
  }

  async race(race, surface) {
    const start = startOf(race.start);
    if (!race.optimizers.length) throw new Error("no optimizer is selected: select at least one");
    // The text in the field, which is refused if it could not be loaded.
    const f = surface.network ? networkLoss(surface.network) : this.#functionOf(race.f ?? surface.formula);
    const numbers = {
      momentum: setting("momentum", race.momentum, "0.9"), noise: setting("noise", race.noise, "0.1"),
      seed: setting("seed", race.seed, "0", 2 ** 32 - 1), steps: setting("steps", race.steps, "200", setup.most_steps),
    };
    if (!numbers.steps) throw new Error("steps is 0, expected at least 1");
    const paths = [];
    for (const { name, rate } of race.optimizers) {
      await new Promise((resume) => setTimeout(resume)); // the page stays responsive in between
      const { rule, options } = setup.optimizers.find((entry) => entry.name === name);
      const own = setup.with_momentum.includes(name) ? { momentum: numbers.momentum } : {};
      const lr = rate ? setting(`the rate of ${name}`, rate, "0.1") : surface.rates[name];
      const entry = { ...numbers, rule, options: { ...options, ...own }, lr };
      const found = descend(f, start, entry), steps = found.values.length - 1;
      const judged = judge(f, found, entry);
      paths.push({
        optimizer: name, lr, steps, ...judged, words: wordsOf({ ...found, ...judged, steps }, surface.bounds),
        points: found.points.map((point) => point.map(orNull)),
        values: found.values.map(orNull),
        gradient_norms: found.norms.map(orNull),
      });
    }
    return paths;
  }

  #functionOf(formula) {
    if (!this.#functions.has(formula)) this.#functions.set(formula, parseExpression(formula));
    return this.#functions.get(formula);
  }

  /** Describe a function of the user, as own_function.py does. */
  #own({ f: formula = "", start: from, view }) {
    const f = this.#functionOf(formula), start = from ? startOf(from) : setup.own.start;
    const farthest = Math.max(...start.map(Math.abs));
    const half = farthest <= setup.own.half ? setup.own.half : significant(setup.own.beyond * farthest, 2);
    const sides = view ? view.split(",").map(Number) : [-half, half, -half, half];
    if (sides.length !== 4 || !sides.every(Number.isFinite)) {
      throw new Error(`view is '${view}', expected left, right, low and high: -3,3,-3,3 for instance`);
    }
    const [left, right, low, high] = sides, bounds = [[left, right], [low, high]];
    if (!bounds.every(([a, b]) => -setup.own.widest <= a && a < b && b <= setup.own.widest)) {
      throw new Error(`the view is ${left} to ${right} by ${low} to ${high}, expected low before high: -3,3,-3,3 for instance`);
    }
    const values = gridOf(bounds, 40).map((point) => f(...point)[0]);
    if (!values.some(Number.isFinite)) throw new Error("the function has no finite value in the view: choose another view");
    let levels = [...new Set(quantiles(values, linspace(0.01, 0.97, 14)))];
    if (levels.length < 2) levels = [levels[0] - 1, levels[0] + 1];
    const curvatures = [start, ...gridOf(bounds, 5)].map((point) => {
      const { eigenvalues } = curvatureAt(f, point);
      return eigenvalues ? Math.max(...eigenvalues.map(Math.abs)) : 0;
    });
    const usual = Math.max(curvatures[0], median(curvatures));
    const descent = usual > 0 ? significant(setup.own.cautious / usual, 2) : 0.1, reach = (right - left) * setup.own.reach;
    const rates = setup.optimizers.map(({ name, rate: [a, b, c] }) => [name, a * descent + significant(b * reach, 2) + c]);
    return {
      name: setup.own.name, about: setup.own.about, formula, equation: "", bounds, starts: [start], minima: [], saddles: [],
      levels, rates: Object.fromEntries(rates.map(([name, rate]) => [name, significant(rate, 6)])),
    };
  }
}

const orNull = (x) => (Number.isFinite(x) ? x : null); // as the server sends it

/** Return the two numbers of a start, or refuse it. */
function startOf(text) {
  const start = toNumbers(text);
  if (start.length === 2 && start.every(Number.isFinite)) return start;
  throw new Error(`start is '${text}', expected two numbers separated by a comma: -1,0.5 for instance`);
}

/** Return the number of a field, or refuse it. */
function setting(called, text, example, most = Infinity) {
  const value = text === "" ? NaN : Number(text), whole = most < Infinity;
  if (value >= 0 && value <= most && Number.isFinite(value) && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? `a whole number from 0 to ${most}` : "a finite number of at least 0";
  throw new Error(`${called} is '${text}', expected ${kind}: ${example} for instance`);
}
