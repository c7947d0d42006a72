// ---- expression: functions of x and y from text, with derivatives by dual numbers; the grammar of expression.py ----

// Value and derivative of each function; setup.grammar.functions names those that a text may use.
const FUNCTIONS = {
  sin: (v) => [Math.sin(v), Math.cos(v)],
  cos: (v) => [Math.cos(v), -Math.sin(v)],
  exp: (v) => [Math.exp(v), Math.exp(v)],
  log: (v) => [Math.log(v), 1 / v],
  sqrt: (v) => [Math.sqrt(v), 0.5 / Math.sqrt(v)],
  abs: (v) => [Math.abs(v), Math.sign(v)],
  tanh: (v) => [Math.tanh(v), 1 - Math.tanh(v) ** 2],
  sigmoid: (v) => [1 / (1 + Math.exp(-v)), 1 / ((1 + Math.exp(-v)) * (1 + Math.exp(v)))],
  relu: (v) => [Math.max(v, 0), v > 0 ? 1 : 0],
};
// Dual numbers: [value, derivative by x, derivative by y].
const DUAL = {
  "+": (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]],
  "-": (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]],
  "*": (a, b) => [a[0] * b[0], a[1] * b[0] + a[0] * b[1], a[2] * b[0] + a[0] * b[2]],
  "/": (a, b) => [a[0] / b[0], ...[1, 2].map((i) => a[i] / b[0] - (a[0] * b[i]) / (b[0] * b[0]))],
  "**": (a, [n]) => [a[0] ** n, ...[1, 2].map((i) => (n === 0 ? 0 : n * a[0] ** (n - 1) * a[i]))],
};
const TOKEN = /\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\*\*|[-+*/(),])/y;

/** Return the function (x, y) → [value, derivative by x, derivative by y] of a text. */
function parseExpression(written) {
  const { variables, constants, functions, longest, power, allowed, example } = setup.grammar;
  const text = written.trim();
  const mistake = (what, place) => new Error(`the function has ${what} at character ${place + 1}: ${allowed}`);
  if (!text) throw new Error(`the function is empty, expected arithmetic of x and y: ${example} for instance`);
  if (text.length > longest) {
    throw new Error(`the function has ${text.length} characters, expected at most ${longest}: shorten it`);
  }
  const foreign = text.search(/[^A-Za-z0-9_ .,+\-*/()]/);
  if (foreign >= 0) throw mistake(`the character '${[...text.slice(foreign)][0]}'`, foreign);
  const tokens = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length;) {
    const from = TOKEN.lastIndex, found = TOKEN.exec(text);
    if (!found || /^0+[1-9]\d*$/.test(found[1])) throw mistake("a mistake", from); // 07 is no number in Python
    tokens.push({ word: found[1], place: TOKEN.lastIndex - found[1].length });
  }
  let next = 0;
  const word = () => tokens[next]?.word, place = () => tokens[next]?.place ?? text.length - 1;
  const taken = (...words) => (words.includes(word()) ? tokens[next++].word : null);
  const expect = (wanted) => {
    if (!taken(wanted)) throw mistake("a mistake", place());
  };

  /** Return an operation on parts {constant, at}; a constant part has a number instead of null. */
  const applied = (operation, at, ...parts) => {
    const fixed = parts.every((part) => part.constant !== null);
    const constant = fixed ? operation(...parts.map((part) => [part.constant, 0, 0]))[0] : null;
    return number(constant, at) ?? { constant: null, at: (x, y) => operation(...parts.map((part) => part.at(x, y))) };
  };
  const number = (value, at) => {
    if (value === null) return null;
    if (!Number.isFinite(value)) throw mistake("a number that is not finite", at);
    return { constant: value, at: () => [value, 0, 0] };
  };
  const chain = (names, inner) => () => {
    const from = place();
    let left = inner();
    for (let name; (name = taken(...names));) left = applied(DUAL[name], from, left, inner());
    return left;
  };
  const term = chain(["*", "/"], () => signed()), sum = chain(["+", "-"], term);
  const signed = () => {
    const from = place(), sign = taken("-", "+");
    if (!sign) return raised();
    return applied((a) => (sign === "-" ? a.map((part) => -part) : a), from, signed());
  };
  const raised = () => {
    const from = place(), base = primary();
    if (!taken("**")) return base;
    const at = place(), exponent = signed();
    if (exponent.constant === null || Math.abs(exponent.constant) > power) {
      throw mistake(`an exponent that is not a number from −${power} to ${power}`, at);
    }
    return applied(DUAL["**"], from, base, exponent);
  };
  const primary = () => {
    const at = place(), name = word();
    if (taken("(")) {
      const inner = sum();
      expect(")");
      return inner;
    }
    if (name === undefined || !/^[\w.]/.test(name)) throw mistake("a mistake", at);
    next++;
    if (/^[\d.]/.test(name)) return number(Number(name), at);
    if (word() === "(") return call(name, at);
    if (variables.includes(name)) {
      return { constant: null, at: name === variables[0] ? (x) => [x, 1, 0] : (x, y) => [y, 0, 1] };
    }
    if (Object.hasOwn(constants, name)) return number(constants[name], at);
    throw mistake(`the ${functions.includes(name) ? "function" : "unknown name"} '${name}'`, at);
  };
  const call = (name, at) => {
    if (!functions.includes(name)) throw mistake(`the unknown function '${name}'`, at);
    const parts = [];
    for (taken("("); word() !== ")" && (!parts.length || taken(",")) && word() !== ")";) parts.push(sum());
    expect(")");
    if (parts.length !== 1) throw mistake(`${name} of ${parts.length} things instead of one`, at);
    return applied(([v, dx, dy]) => {
      const [value, slope] = FUNCTIONS[name](v);
      return [value, slope * dx, slope * dy];
    }, at, parts[0]);
  };

  const whole = sum();
  if (next < tokens.length) throw mistake("a mistake", place());
  if (whole.constant !== null) {
    throw new Error(`the function is the same everywhere, expected x or y in it: ${example} for instance`);
  }
  return whole.at;
}
