// ---- relief: the surface in three dimensions, with the paths on it; heights count contour lines ----

const FINE = 96, COARSE = 40; // facets per side, at rest and while it turns
const AT_REST = 200; // milliseconds after the last turn
const STEEPNESS = 0.5; // half the height of the relief, in halves of its longer side
const LOWEST = 0.12, HIGHEST = 1.5; // elevation of the viewer, in radians
const PIECES = 48; // a step is drawn in up to this many pieces, each on the surface

class Relief {
  #canvas = $("plane");
  #around = -0.55; // azimuth and elevation of the viewer
  #above = 0.85;
  #ground = {};
  #cells = FINE;
  #due = 0; // the next frame, if a turn waits for it
  #rest = 0; // the timer of the fine picture

  turn(around, above, redraw) {
    this.#around += around;
    this.#above = clamp(this.#above + above, LOWEST, HIGHEST);
    this.#cells = COARSE;
    this.#due ||= requestAnimationFrame(() => {
      this.#due = 0;
      redraw();
    });
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.#cells = FINE;
      redraw();
    }, AT_REST);
  }

  draw(surface, start, paths, step) {
    const width = this.#canvas.clientWidth, highest = Math.max(window.innerHeight * 0.78, 300);
    const height = Math.round(clamp(width * 0.8, 260, highest));
    const pen = penOf(this.#canvas, height), scene = this.#scene(surface, width, height);
    const ratio = window.devicePixelRatio || 1;
    const looks = [this.#around, this.#above, this.#cells, width, height, ratio, css("--deep")];
    const key = [surface.name, surface.formula, surface.bounds, ...looks].join();
    if (this.#ground.key !== key) this.#ground = { key, image: paintRelief(scene, this.#cells, width, height, ratio) };
    pen.drawImage(this.#ground.image, 0, 0, width, height);
    for (const [points, shape] of [[surface.minima, STAR], [surface.saddles, CROSS]]) {
      for (const point of points) this.#shape(pen, scene, point, shape, css("--mark"), css("--ink"), 1);
    }
    for (const path of paths) this.#line(pen, scene, path, step);
    if (start.length === 2 && scene.inside(start)) this.#shape(pen, scene, start, RING, css("--mark"), css("--ink"), 1);
    for (const path of paths) {
      const end = path.points.slice(0, Math.min(step, path.steps) + 1).findLast(scene.inside), { shape } = LOOKS.get(path.optimizer);
      if (end) this.#shape(pen, scene, end, shape, colourOf(path.optimizer), css("--casing"), 1.15);
    }
  }

  /** Return the projection of points, their visibility, and the grid. */
  #scene(surface, width, height) {
    const [[left, right], [low, high]] = surface.bounds, longest = Math.max(right - left, high - low);
    const half = [(right - left) / longest, (high - low) / longest]; // of the sides, in halves of the longer one
    const all = heightsOf(surface), last = surface.side - 1;
    const rise = ([u, v]) => { // interpolated between grid points
      const x = clamp((u / half[0] + 1) / 2, 0, 1) * last, y = clamp((v / half[1] + 1) / 2, 0, 1) * last;
      const a = Math.min(Math.floor(x), last - 1), b = Math.min(Math.floor(y), last - 1), at = b * surface.side + a;
      const bottom = all[at] + (all[at + 1] - all[at]) * (x - a);
      const top = all[at + surface.side] + (all[at + surface.side + 1] - all[at + surface.side]) * (x - a);
      return bottom + (top - bottom) * (y - b);
    };
    const lift = (lines) => (2 * lines / surface.bands - 1) * STEEPNESS;
    const [sin, cos] = [Math.sin(this.#around), Math.cos(this.#around)];
    const [up, level] = [Math.sin(this.#above), Math.cos(this.#above)];
    const reach = Math.hypot(...half);
    const scale = Math.min((width / 2 - 24) / reach, (height / 2 - 26) / (reach * up + STEEPNESS * level));
    const project = ([u, v], z) => [
      width / 2 + scale * (u * cos - v * sin), height / 2 - scale * ((u * sin + v * cos) * up + z * level),
    ];
    const toViewer = [-sin * level, -cos * level, up];
    const visible = ([u, v], z) => {
      for (let t = 1.5 / FINE; ; t += 1.5 / FINE) {
        const at = [u + t * toViewer[0], v + t * toViewer[1]], over = z + t * toViewer[2];
        if (Math.abs(at[0]) > half[0] || Math.abs(at[1]) > half[1] || over > STEEPNESS) return true;
        if (lift(rise(at)) > over + 0.012) return false;
      }
    };
    const place = ([x, y]) => [((x - left) / (right - left) * 2 - 1) * half[0], ((y - low) / (high - low) * 2 - 1) * half[1]];
    const inside = ([x, y]) => x !== null && y !== null && x >= left && x <= right && y >= low && y <= high;
    return { surface, half, rise, lift, sin, cos, level, project, visible, place, inside };
  }

  #shape(pen, { place, rise, lift, project, visible }, point, shape, fill, edge, size) {
    const at = place(point), z = lift(rise(at));
    pen.globalAlpha = visible(at, z) ? 1 : 0.35;
    drawShape(pen, shape, ...project(at, z), fill, edge, size);
    pen.globalAlpha = 1;
  }

  /** Draw a path on the surface, pale where the surface hides it. */
  #line(pen, scene, path, step) {
    const { place, rise, lift, project, visible, inside } = scene, runs = [];
    const add = (point) => {
      if (!inside(point)) return runs.push({ places: [] });
      const at = place(point), z = lift(rise(at)), seen = visible(at, z), there = project(at, z + 0.008);
      const run = runs.at(-1);
      if (run?.seen === seen) return run.places.push(there);
      run?.places.push(there);
      return runs.push({ seen, places: [there] });
    };
    const shown = path.points.slice(0, Math.min(step, path.steps) + 1);
    const [[left, right]] = scene.surface.bounds;
    shown.forEach((point, i) => {
      if (point.includes(null)) return;
      const before = shown[i - 1];
      if (before && (inside(before) || inside(point))) {
        const long = Math.hypot(point[0] - before[0], point[1] - before[1]) / (right - left);
        const n = clamp(Math.ceil(long * FINE), 1, PIECES);
        for (let k = 1; k < n; k++) add(before.map((x, j) => x + ((point[j] - x) * k) / n));
      }
      add(point);
    });
    const { dashes } = LOOKS.get(path.optimizer);
    for (const [colour, width, pattern] of [[css("--casing"), 5, []], [colourOf(path.optimizer), 2.5, dashes]]) {
      for (const { seen, places } of runs) {
        if (!seen && width === 5) continue;
        pen.globalAlpha = seen ? 1 : 0.3;
        pen.beginPath();
        for (const there of places) pen.lineTo(...there);
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.setLineDash(pattern);
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }
}

/** Return an image of the relief: shaded facets and contour lines, from the farthest to the nearest. */
function paintRelief({ surface, half, rise, lift, sin, cos, project }, cells, width, height, ratio) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  pen.lineJoin = "round";
  const [deep, high, line] = ["--foot", "--peak", "--contour"].map((name) => rgbOf(css(name)));
  const at = (k, i) => (2 * k / cells - 1) * half[i];
  const points = Array.from({ length: (cells + 1) ** 2 }, (_, n) => {
    const point = [at(n % (cells + 1), 0), at(Math.floor(n / (cells + 1)), 1)], height = rise(point);
    return { height, z: lift(height), place: project(point, lift(height)) };
  });
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([u, v]) => project([u * half[0], v * half[1]], -STEEPNESS));
  pen.strokeStyle = css("--faint");
  pen.beginPath();
  for (const corner of [...corners, corners[0]]) pen.lineTo(...corner);
  pen.stroke();
  const order = (falling) => Array.from({ length: cells }, (_, k) => (falling ? cells - 1 - k : k));
  for (const i of order(sin > 0)) {
    for (const j of order(cos > 0)) {
      const first = j * (cells + 1) + i, ends = [first, first + 1, first + cells + 2, first + cells + 1].map((n) => points[n]);
      const lines = ends.map((end) => end.height), z = ends.map((end) => end.z), places = ends.map((end) => end.place);
      const [du, dv] = [(z[1] + z[2] - z[0] - z[3]) / (4 * half[0] / cells), (z[2] + z[3] - z[0] - z[1]) / (4 * half[1] / cells)];
      const across = -(du * cos - dv * sin), along = -(du * sin + dv * cos); // of the normal, as the viewer sees it
      const light = (-0.45 * across - 0.35 * along + 0.82) / Math.hypot(across, along, 1);
      const mean = lines.reduce((a, b) => a + b) / 4, share = clamp(mean / surface.bands, 0, 1);
      const colour = deep.map((c, k) => Math.min((c + (high[k] - c) * share) * (0.5 + 0.62 * Math.max(light, 0)), 255));
      pen.fillStyle = pen.strokeStyle = `rgb(${colour.map(Math.round).join()})`;
      pen.lineWidth = 0.8; // covers the seams
      pen.beginPath();
      for (const place of places) pen.lineTo(...place);
      pen.closePath();
      pen.fill();
      pen.stroke();
      pen.strokeStyle = `rgb(${line.join(" ")} / 0.75)`;
      pen.beginPath();
      for (let level = Math.ceil(Math.min(...lines)); level <= Math.min(Math.max(...lines), surface.bands - 1); level++) {
        if (level > 0) traceLevel(pen, lines, places, level);
      }
      pen.stroke();
    }
  }
  drawAxes(pen, surface, half, sin, cos, project);
  return canvas;
}

/** Add the contour line of a level in a facet to the path of the pen. */
function traceLevel(pen, lines, places, level) {
  const crossings = [];
  for (let k = 0; k < 4; k++) {
    const [from, to] = [k, (k + 1) % 4], share = (level - lines[from]) / (lines[to] - lines[from]);
    if (share >= 0 && share < 1) crossings.push(places[from].map((x, i) => x + (places[to][i] - x) * share));
  }
  for (let k = 0; k + 1 < crossings.length; k += 2) {
    pen.moveTo(...crossings[k]);
    pen.lineTo(...crossings[k + 1]);
  }
}

/** Write names and ends of both axes along the two edges that are nearest to the viewer. */
function drawAxes(pen, { bounds }, half, sin, cos, project) {
  const near = [sin > 0 ? -1 : 1, cos > 0 ? -1 : 1];
  pen.fillStyle = css("--faint");
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const middle = project([0, 0], -STEEPNESS);
  for (const i of [0, 1]) {
    for (const [share, words] of [[-0.9, shown(bounds[i][0])], [0, "xy"[i]], [0.9, shown(bounds[i][1])]]) {
      const point = i === 0 ? [share * half[0], near[1] * half[1]] : [near[0] * half[0], share * half[1]];
      const edge = project(i === 0 ? [0, point[1]] : [point[0], 0], -STEEPNESS);
      const out = [edge[0] - middle[0], edge[1] - middle[1]], long = Math.hypot(...out) || 1;
      const [x, y] = project(point, -STEEPNESS);
      pen.fillText(words, x + (out[0] / long) * 15, y + (out[1] / long) * 15);
    }
  }
}
