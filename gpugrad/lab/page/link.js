// ---- link: a race as text, the same in the link, the server's query and on the command line ----

const FIELDS = ["surface", "start", "optimizer", "momentum", "noise", "seed", "steps"];

/** Return the query of {surface, start, optimizers: [{name, rate}], momentum, noise, seed, steps}, all strings. */
function toQuery(race) {
  const optimizer = race.optimizers.map(({ name, rate }) => (rate ? `${name}:${rate}` : name)).join(",");
  const words = FIELDS.map((field) => [field, field === "optimizer" ? optimizer : race[field]]);
  return new URLSearchParams(words).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

/** Return the fields of a query; optimizers only if it names some. */
function fromQuery(text) {
  const words = Object.fromEntries([...new URLSearchParams(text)].filter(([field]) => FIELDS.includes(field)));
  const { optimizer, ...race } = words;
  if (optimizer === undefined) return race;
  const optimizers = optimizer.split(",").filter(Boolean).map((part) => {
    const [name, ...rate] = part.split(":");
    return { name: name.trim(), rate: rate.join(":") };
  });
  return { ...race, optimizers };
}

const toNumbers = (start) => start.split(",").map(Number);
