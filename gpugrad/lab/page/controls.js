// ---- controls: the fields of a race, read and written ----

const SETTINGS = ["momentum", "noise", "seed", "steps"];
const USUAL = { momentum: "0.9", noise: "0", seed: "0", steps: "200" };

class Controls {
  #rows = new Map(); // optimizer: {box, rate}

  constructor() {
    $("surface").append(...setup.surfaces.map((name) => new Option(name)));
  }

  /** Return the race in the fields; an empty rate means the suitable one. */
  read() {
    const race = { surface: $("surface").value, start: $("start").value.replaceAll(/\s/g, "").replaceAll("−", "-") };
    for (const name of SETTINGS) race[name] = $(name).value.trim();
    const ticked = [...this.#rows].filter(([, { box }]) => box.checked);
    return { ...race, optimizers: ticked.map(([name, { rate }]) => ({ name, rate: rate.value.trim() })) };
  }

  /** Fill the fields for a surface: with the settings of the race, or the usual ones. */
  write(surface, race) {
    const { choices } = surface;
    const names = setup.optimizers.map(({ name }) => name).filter((name) => !choices || choices.rates[name]);
    for (const { name } of race.optimizers ?? []) {
      if (!names.includes(name)) throw new Error(`unknown optimizer '${name}': choose one of ${names.join(", ")}`);
    }
    $("surface").value = surface.name;
    $("about").textContent = surface.about;
    $("slope").textContent = choices
      ? "This file contains the paths from the small dots at these settings; gpugrad descend --serve computes all others."
      : `Noise is the standard deviation of each gradient component; gradients here have a norm of about ${shown(surface.slope)}.`;
    $("start").value = race.start || surface.starts[0].join();
    for (const name of SETTINGS) this.#fill(name, choices?.[name], race[name] || USUAL[name]);
    this.#writeOptimizers(names, surface, race.optimizers);
    if (surface.grid) $("start").value = nearest(surface.grid, toNumbers($("start").value), surface.bounds).join();
  }

  #writeOptimizers(names, { rates, choices }, wanted) {
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
    for (const name of names) {
      this.#fill(`rate-${name}`, choices?.rates[name], chosen.get(name) || String(rates[name]));
      this.#rows.set(name, { box: $(`use-${name}`), rate: $(`rate-${name}`) });
    }
  }

  /** Write a field: if only some values exist, it becomes a list of them with the nearest one selected. */
  #fill(id, choices, value) {
    let field = $(id);
    if (choices) {
      const list = document.createElement("select");
      list.id = id;
      list.append(...choices.map((choice) => new Option(String(choice))));
      list.disabled = choices.length === 1;
      for (const name of ["aria-label", "aria-describedby"]) {
        if (field.hasAttribute(name)) list.setAttribute(name, field.getAttribute(name));
      }
      field.replaceWith(list);
      field = list;
      value = String(nearestNumber(choices, Number(value)));
    }
    field.value = value;
  }
}

const nearestNumber = (numbers, x) => numbers.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));

/** Return the nearest of several points, measured in widths and heights of the view. */
function nearest(points, [x, y], [[left, right], [low, high]]) {
  const distance = ([a, b]) => Math.hypot((a - x) / (right - left), (b - y) / (high - low));
  return points.reduce((a, b) => (distance(b) < distance(a) ? b : a));
}

/** Return the start that an arrow key leads to: the nearest recorded one in that direction, or a shifted point. */
function moved(surface, [x, y], [dx, dy], far) {
  const { bounds, grid } = surface;
  if (grid) {
    const ahead = grid.filter(([a, b]) => {
      const along = (a - x) * dx + (b - y) * dy, across = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      return along > 0 && across <= along;
    });
    return ahead.length ? nearest(ahead, [x, y], bounds) : [x, y];
  }
  const by = (far ? 5 : 1) * 5 * unitOf(bounds);
  const to = [x + by * dx, y + by * dy].map((place, i) => clamp(place, ...bounds[i]));
  return rounded(bounds, to);
}

/** Round starts, so that a ridge can be hit exactly. */
const unitOf = ([[left, right]]) => 10 ** Math.floor(Math.log10((right - left) / 150));
const rounded = (bounds, point) => point.map((x) => {
  const unit = unitOf(bounds);
  return Number((Math.round(x / unit) * unit).toFixed(Math.max(-Math.round(Math.log10(unit)), 0))) + 0; // no −0
});
