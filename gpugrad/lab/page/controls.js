// ---- controls: the fields of a race, read and written ----

const SETTINGS = ["momentum", "noise", "seed", "steps"];
const USUAL = { momentum: "0.9", noise: "0", seed: "0", steps: "200" };

/** Return the point of the lecture that a race belongs to. */
const pointOf = ({ point = "" }) => (Object.hasOwn(setup.points, point) ? setup.points[point] : undefined);

/** Return the formula of an optimizer, one clause per line, with the values of its constants. */
function formulaOf(name) {
  const { formula, options: { betas = [], ...options } } = setup.optimizers.find((entry) => entry.name === name);
  const constants = Object.entries({ ...options, beta1: betas[0], beta2: betas[1] })
    .filter(([constant]) => constant !== "momentum" && new RegExp(`\\b${constant}\\b`).test(formula))
    .map(([constant, value]) => `${constant} = ${shown(value)}`);
  const clauses = formula.replaceAll(/\blr\b/g, "η").split(", ");
  return [...clauses, ...(constants.length ? [`with ${constants.join(", ")}`] : [])].join("\n");
}

class Controls {
  #rows = new Map(); // optimizer: {box, rate}

  constructor() {
    $("surface").append(...setup.surfaces.map((name) => new Option(name)));
    $("point").append(...Object.entries(setup.points)
      .filter(([, { race }]) => setup.surfaces.includes(race.surface))
      .map(([key, { title }]) => new Option(title, key)));
    $("allowed").textContent = `${setup.grammar.allowed[0].toUpperCase()}${setup.grammar.allowed.slice(1)}.`;
  }

  /** Return the race in the fields; an empty rate means the suitable one. */
  read() {
    const race = { surface: $("surface").value, start: $("start").value.replaceAll(/\s/g, "").replaceAll("−", "-") };
    for (const name of [...SETTINGS, "point"]) race[name] = $(name).value.trim();
    race.relief = $("relief").ariaPressed === "true" ? "1" : "";
    if (race.surface === setup.own.name) for (const name of OF_OWN) race[name] = $(name).value.trim();
    const ticked = [...this.#rows].filter(([, { box }]) => box.checked);
    return { ...race, optimizers: ticked.map(([name, { rate }]) => ({ name, rate: rate.value.trim() })) };
  }

  /** Fill the fields for a surface: with the settings of the race, or the usual ones. */
  write(surface, race) {
    const names = setup.optimizers.map(({ name }) => name);
    for (const { name } of race.optimizers ?? []) {
      if (!names.includes(name)) throw new Error(`unknown optimizer '${name}': choose one of ${names.join(", ")}`);
    }
    $("surface").value = surface.name;
    $("about").textContent = surface.about;
    $("equation").textContent = surface.equation;
    for (const part of document.querySelectorAll(".own")) part.hidden = surface.name !== setup.own.name;
    $("f").value = surface.name === setup.own.name ? surface.formula : "";
    $("view").value = surface.bounds.flat().join();
    $("point").value = pointOf(race) ? race.point : "";
    $("watch").textContent = pointOf(race)?.watch ?? "";
    $("relief").ariaPressed = String(race.relief === "1");
    $("slope").textContent =
      `Noise is the standard deviation of each gradient component; gradients here have a norm of about ${shown(surface.slope)}.`;
    $("start").value = race.start || surface.starts[0].join();
    for (const name of SETTINGS) $(name).value = race[name] || USUAL[name];
    this.#writeOptimizers(names, surface, race.optimizers);
  }

  #writeOptimizers(names, { rates }, wanted) {
    const chosen = new Map((wanted ?? setup.usual.map((name) => ({ name }))).map(({ name, rate }) => [name, rate]));
    this.#rows.clear();
    $("optimizers").replaceChildren(...names.map((name) => {
      const row = document.createElement("div"), label = document.createElement("label"), box = document.createElement("input");
      row.className = "optimizer";
      Object.assign(box, { type: "checkbox", id: `use-${name}`, checked: chosen.has(name) });
      label.append(box, lookOf(name), name);
      const rate = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal", id: `rate-${name}` });
      rate.setAttribute("aria-label", `learning rate of ${name}`);
      row.append(label, rate);
      return row;
    }));
    $("formulas").replaceChildren(...names.flatMap((name) => {
      const [term, words] = ["dt", "dd"].map((tag) => document.createElement(tag));
      [term.textContent, words.textContent] = [name, formulaOf(name)];
      return [term, words];
    }));
    for (const name of names) {
      $(`rate-${name}`).value = chosen.get(name) || String(rates[name]);
      this.#rows.set(name, { box: $(`use-${name}`), rate: $(`rate-${name}`) });
    }
  }
}

/** Return the start that an arrow key leads to. */
function moved({ bounds }, point, [dx, dy], far) {
  const by = (far ? 5 : 1) * 5 * unitOf(bounds), [x, y] = point;
  return rounded(bounds, [x + by * dx, y + by * dy].map((place, i) => clamp(place, ...bounds[i])));
}

/** Round starts, so that a ridge can be hit exactly. */
const unitOf = ([[left, right]]) => 10 ** Math.floor(Math.log10((right - left) / 150));
const rounded = (bounds, point) => point.map((x) => {
  const unit = unitOf(bounds);
  return Number((Math.round(x / unit) * unit).toFixed(Math.max(-Math.round(Math.log10(unit)), 0))) + 0; // no −0
});
