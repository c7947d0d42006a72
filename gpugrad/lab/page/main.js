// ---- main: actions of the buttons, the keys and the link ----

const source = setup.recorded ? new Recorded() : new Served();
const controls = new Controls(), plane = new SurfacePlot(), values = new ValuePlot(), table = new Table();
const still = matchMedia("(prefers-reduced-motion: reduce)");
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let surface = null; // the chosen surface, as the source describes it
let paths = null; // paths of the race on display; null: not computed yet
let step = 0;
let playing = null; // token of the running animation
let coming = null; // promise of the paths
let chosen = 0; // number of races set up so far
let asked = 0; // number of requests to the source: late answers to older ones are dropped

const lastStep = () => Math.max(0, ...(paths ?? []).map((path) => path.steps));

function draw() {
  if (!surface) return;
  plane.draw(surface, toNumbers(controls.read().start), paths ?? [], step);
  values.draw(paths ?? [], step);
}

function show() {
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

/** Load a race from a link, or a surface with its usual race. */
async function load(race) {
  forget();
  let taken = false;
  await attempt(async (current) => {
    const usual = setup.surfaces.includes("saddle") ? "saddle" : setup.surfaces[0];
    const described = await source.surface(race.surface ?? surface?.name ?? usual);
    if (!current()) return;
    controls.write(described, race);
    [surface, taken] = [described, true];
    changed();
  });
  if (taken || !$("error").textContent) return;
  if (surface) {
    $("surface").value = surface.name;
  } else if (Object.keys(race).length) { // an invalid link: show its error above the usual race
    const message = $("error").textContent;
    await load({});
    $("error").textContent = message;
  }
}

/** After a change of the controls: the race has not been run yet. */
function changed() {
  forget();
  const link = `#${toQuery(controls.read())}`;
  if (link !== location.hash) history.replaceState(null, "", link);
  $("error").textContent = "";
  $("status").textContent = "Ready: run the race or choose another start.";
  show();
}

function forget() {
  asked++;
  chosen++;
  [paths, coming, step, playing] = [null, null, 0, null];
  table.fill([]);
}

/** Get the paths of the race in the controls, then continue; buttons pressed meanwhile wait for them. */
async function withPaths(then) {
  const mine = chosen;
  if (!paths) {
    $("status").textContent = "Computing …";
    coming ??= attempt(async (current) => {
      const found = await source.race(controls.read());
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
  $("status").textContent = `Finished. ${paths.map((path) => `${path.optimizer}: ${path.verdict}`).join("; ")}.`;
  show();
}

function startAt(point) {
  $("start").value = (surface.grid ? nearest(surface.grid, point, surface.bounds) : rounded(surface.bounds, point)).join();
  changed();
}

$("lab").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("step").addEventListener("click", () => withPaths(() => goTo(step + 1)));
$("back").addEventListener("click", () => (paths ? goTo(0) : undefined));
$("place").addEventListener("input", () => goTo(Number($("place").value)));
$("surface").addEventListener("change", () => load({ surface: $("surface").value, optimizers: usedOptimizers() }));
$("lab").addEventListener("change", (event) => {
  if (!["surface", "speed", "place"].includes(event.target.id)) changed();
});
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    $("status").textContent = "Copied the link to this race.";
  } catch {
    $("status").textContent = "The browser does not allow copying: the address of this page is the link.";
  }
});
$("plane").addEventListener("click", (event) => {
  if (!surface) return;
  startAt(plane.pointAt(surface, event));
  run();
});
$("plane").addEventListener("keydown", (event) => {
  if (!surface || event.ctrlKey || event.metaKey || event.altKey) return;
  if (ARROWS[event.key]) startAt(moved(surface, toNumbers(controls.read().start), ARROWS[event.key], event.shiftKey));
  else if (event.key === "Enter" || event.key === " ") run();
  else if (event.key === "s") $("step").click();
  else return;
  event.preventDefault();
});
window.addEventListener("hashchange", () => {
  if (location.hash !== `#${toQuery(controls.read())}`) load(fromQuery(location.hash.slice(1)));
});
new ResizeObserver(draw).observe($("lab"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
window.addEventListener("resize", draw);

/** Return the selected optimizers, without rates: another surface has its own. */
function usedOptimizers() {
  const used = controls.read().optimizers.map(({ name }) => ({ name }));
  return used.length ? used : undefined;
}

if (setup.recorded) $("where").textContent = "Click to start a race from the nearest dot; this file contains the paths from there.";
load(fromQuery(location.hash.slice(1)));
