// ---- link: a race as text, the same in the link, the server's query and on the command line ----

const FIELDS = ["surface", "start", "optimizer", "momentum", "noise", "seed", "steps"];
const OF_OWN = ["f", "view"]; // fields of the own function alone
const OF_PAGE = ["point", "relief"]; // what the page shows besides the race
const OF_SURFACE = ["surface", "start", ...OF_OWN];

/** Return the query of {surface, start, optimizers: [{name, rate}], momentum, noise, seed, steps, …}, all strings. */
function toQuery(race, more = []) {
  const optimizer = race.optimizers.map(({ name, rate }) => (rate ? `${name}:${rate}` : name)).join(",");
  const words = FIELDS.map((field) => [field, field === "optimizer" ? optimizer : race[field]]);
  words.push(...[...OF_OWN, ...more].filter((field) => race[field]).map((field) => [field, race[field]]));
  return new URLSearchParams(words).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

/** Return the fields of a query; optimizers only if it names some. */
function fromQuery(text) {
  const known = [...FIELDS, ...OF_OWN, ...OF_PAGE];
  return fromFields(Object.fromEntries([...new URLSearchParams(text)].filter(([field]) => known.includes(field))));
}

/** Return fields with the optimizers as a list. */
function fromFields({ optimizer, ...race }) {
  if (optimizer === undefined) return race;
  const optimizers = optimizer.split(",").filter(Boolean).map((part) => {
    const [name, ...rate] = part.split(":");
    return { name: name.trim(), rate: rate.join(":") };
  });
  return { ...race, optimizers };
}

const toNumbers = (start) => start.split(",").map(Number);
