// ---- main: actions of the buttons, the keys and the link ----

const source = setup.described ? new Live() : new Served();
const controls = new Controls(), plane = new SurfacePlot(), relief = new Relief(), values = new ValuePlot(), table = new Table();
const still = matchMedia("(prefers-reduced-motion: reduce)");
const MOST_IN_STATUS = 3; // paths
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let surface = null; // the chosen surface, as the source describes it
let paths = null; // paths of the race on display; null: not computed yet
let step = 0;
let playing = null; // token of the running animation
let coming = null; // promise of the paths
let loading = null; // promise of the surface
let chosen = 0; // number of races set up so far
let asked = 0; // number of requests to the source: late answers to older ones are dropped

const turns = () => $("relief").ariaPressed === "true";
const lastStep = () => Math.max(0, ...(paths ?? []).map((path) => path.steps));

function draw() {
  if (!surface) return;
  (turns() ? relief : plane).draw(surface, toNumbers(controls.read().start), paths ?? [], step);
  $("values").hidden = !paths;
  if (paths) values.draw(paths, step);
}

function show() {
  $("plane").classList.toggle("turns", turns());
  $("where").textContent = turns() ? "Drag to turn the surface; its height counts contour lines."
    : "Click to start a race there.";
  $("arrows").textContent = turns() ? "In the picture, arrow keys turn it."
    : "In the picture, arrow keys move the start, with Shift in larger steps.";
  $("count").value = step;
  Object.assign($("place"), { max: lastStep(), value: step, disabled: !paths });
  $("run").textContent = playing ? "Pause" : "Run";
  table.show(step);
  draw();
}

/** Do work that may fail, and show its error on the page. */
async function attempt(work) {
  const mine = ++asked;
  $("error").textContent = "";
  try {
    await work(() => mine === asked);
  } catch (error) {
    if (mine !== asked) return;
    playing = null;
    $("error").textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
    $("status").textContent = "";
    show();
  }
}

/** Load a race from a link, a point of the lecture, or a surface with its usual race. */
function load(race) {
  const known = race.surface === undefined ? pointOf(race)?.race : undefined;
  loading = prepare(known ? { ...fromFields(known), ...race } : race);
  return loading;
}

async function prepare(race) {
  forget();
  let taken = false;
  await attempt(async (current) => {
    const usual = setup.surfaces.includes("saddle") ? "saddle" : setup.surfaces[0];
    const described = await source.surface({ ...race, surface: race.surface ?? surface?.name ?? usual });
    if (!current()) return;
    controls.write(described, race);
    [surface, taken] = [described, true];
    changed();
  });
  if (taken || !$("error").textContent) return;
  if (surface) {
    $("surface").value = surface.name;
  } else if (Object.keys(race).length) { // an invalid link: show its error above the usual race
    const message = $("error").textContent, own = race.surface === setup.own.name;
    await prepare(own ? { surface: race.surface, f: setup.grammar.example } : {});
    if (own) $("f").value = race.f ?? "";
    $("error").textContent = message;
  }
}

/** After a change of the controls: the race has not been run yet. */
function changed() {
  forget();
  const link = linkOf(controls.read());
  if (link !== location.hash) history.replaceState(null, "", link);
  $("error").textContent = "";
  $("status").textContent = "Ready: run the race or choose another start.";
  show();
}

const linkOf = (race) => `#${toQuery(race, OF_PAGE)}`;

function forget() {
  asked++;
  chosen++;
  [paths, coming, step, playing] = [null, null, 0, null];
  table.fill([]);
}

/** Get the paths of the race in the controls, then continue; buttons pressed meanwhile wait for them. */
async function withPaths(then) {
  await loading;
  const mine = chosen;
  if (!paths) {
    $("status").textContent = "Computing …";
    coming ??= attempt(async (current) => {
      const found = await source.race(controls.read(), surface);
      if (!current()) return;
      paths = found;
      table.fill(paths);
    });
    await coming;
  }
  if (chosen !== mine) return;
  if (paths) then();
  else coming = null; // it failed: the next click tries again
}

const run = () => withPaths(() => (playing ? pause() : play()));

function play() {
  if (step >= lastStep()) step = 0;
  if (still.matches) return goTo(lastStep()); // no animation under reduced motion
  const mine = (playing = {});
  $("status").textContent = "Running.";
  show();
  let before = performance.now(), ahead = 0;
  requestAnimationFrame(function frame(now) {
    if (playing !== mine) return;
    ahead += (Math.max(now - before, 0) / 1000) * Number($("speed").value);
    before = now;
    const whole = Math.floor(ahead);
    ahead -= whole;
    if (step + whole >= lastStep()) return finish();
    if (whole) {
      step += whole;
      show();
    }
    requestAnimationFrame(frame);
  });
}

function pause() {
  playing = null;
  $("status").textContent = `Paused at step ${step}.`;
  show();
}

function goTo(where) {
  playing = null;
  step = clamp(where, 0, lastStep());
  if (step === lastStep()) return finish();
  $("status").textContent = `At step ${step} of ${lastStep()}.`;
  return show();
}

function finish() {
  playing = null;
  step = lastStep();
  const ends = paths.length > MOST_IN_STATUS ? [] : paths.map((path) => `${path.optimizer}: ${path.words}`);
  $("status").textContent = ends.length ? `Finished. ${ends.join("; ")}.` : "Finished. The table lists how each one ended.";
  show();
}

/** Show the surface in three dimensions, or as a map. */
function showRelief(on) {
  $("relief").ariaPressed = String(on);
  history.replaceState(null, "", linkOf(controls.read()));
  show();
}

function startAt(point) {
  $("start").value = rounded(surface.bounds, point).join();
  changed();
}

$("lab").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("step").addEventListener("click", () => withPaths(() => goTo(step + 1)));
$("back").addEventListener("click", () => (paths ? goTo(0) : undefined));
$("place").addEventListener("input", () => goTo(Number($("place").value)));
$("surface").addEventListener("change", () => {
  const { surface: name, relief: on } = controls.read(), race = { surface: name, optimizers: usedOptimizers(), relief: on };
  if (name !== setup.own.name || !surface) {
    load(race);
    return;
  }
  // An own function begins as the surface on display.
  const [view, start] = [surface.bounds.flat().join(), controls.read().start];
  load({ ...race, f: surface.formula ?? setup.grammar.example, ...(surface.formula ? { view, start } : {}) });
});
$("point").addEventListener("change", () => {
  const { point, relief: on, ...race } = controls.read();
  load(point ? { point, relief: on } : { ...race, relief: on });
});
$("lab").addEventListener("change", (event) => {
  if (event.target.id === "view") load(controls.read());
  else if (event.target.id === "f") load({ ...controls.read(), optimizers: usedOptimizers() }); // with suitable rates
  else if (!["surface", "speed", "place", "point"].includes(event.target.id)) changed();
});
$("relief").addEventListener("click", () => showRelief(!turns()));
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    $("status").textContent = "Copied the link to this race.";
  } catch {
    $("status").textContent = "The browser does not allow copying: the address of this page is the link.";
  }
});
$("plane").addEventListener("click", (event) => {
  if (!surface || turns()) return;
  startAt(plane.pointAt(surface, event));
  run();
});
$("plane").addEventListener("pointermove", (event) => {
  if (!surface || !turns() || !event.buttons) return;
  relief.turn(event.movementX / 150, event.movementY / 150, draw);
});
$("plane").addEventListener("keydown", (event) => {
  if (!surface || event.ctrlKey || event.metaKey || event.altKey) return;
  if (ARROWS[event.key] && turns()) {
    relief.turn(ARROWS[event.key][0] / 10, -ARROWS[event.key][1] / 10, draw);
  } else if (ARROWS[event.key]) startAt(moved(surface, toNumbers(controls.read().start), ARROWS[event.key], event.shiftKey));
  else if (event.key === "Enter" || event.key === " ") run();
  else if (event.key === "s") $("step").click();
  else return;
  event.preventDefault();
});
window.addEventListener("hashchange", () => {
  if (location.hash !== linkOf(controls.read())) load(fromQuery(location.hash.slice(1)));
});
new ResizeObserver(draw).observe($("lab"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
window.addEventListener("resize", draw);

/** Return the selected optimizers, without rates: another surface has its own. */
function usedOptimizers() {
  const used = controls.read().optimizers.map(({ name }) => ({ name }));
  return used.length ? used : undefined;
}

load(fromQuery(location.hash.slice(1)));
