// ---- surface plot: contours, the start, and the paths up to a step ----

const FAR = 20; // lines are drawn up to this many widths of the view

class SurfacePlot {
  #canvas = $("plane");
  #painted = {};

  /** Return the placement of the view in the canvas: to scale, as wide as possible, no higher than the window. */
  #box(surface) {
    const [[left, right], [low, high]] = surface.bounds, ratio = (high - low) / (right - left);
    const room = this.#canvas.clientWidth - 62;
    const width = Math.max(Math.min(room, Math.max(window.innerHeight * 0.78, 300) / ratio), 60);
    return { left: 52 + (room - width) / 2, top: 8, width, height: width * ratio };
  }

  #place(surface, [x, y], box) {
    const [[left, right], [low, high]] = surface.bounds;
    return [box.left + ((x - left) / (right - left)) * box.width, box.top + ((high - y) / (high - low)) * box.height];
  }

  #inside({ bounds: [[left, right], [low, high]] }, x, y) {
    return x !== null && y !== null && x >= left && x <= right && y >= low && y <= high;
  }

  /** Return the point of the surface under a mouse event. */
  pointAt(surface, event) {
    const edge = this.#canvas.getBoundingClientRect(), box = this.#box(surface);
    const [[left, right], [low, high]] = surface.bounds;
    const u = clamp((event.clientX - edge.left - box.left) / box.width, 0, 1);
    const v = clamp((event.clientY - edge.top - box.top) / box.height, 0, 1);
    return [left + u * (right - left), high - v * (high - low)];
  }

  draw(surface, start, paths, step) {
    const box = this.#box(surface), pen = penOf(this.#canvas, Math.round(box.top + box.height + 42));
    this.#contours(pen, surface, box);
    pen.save();
    pen.beginPath();
    pen.rect(box.left, box.top, box.width, box.height);
    pen.clip();
    for (const [points, shape] of [[surface.minima, STAR], [surface.saddles, CROSS]]) {
      for (const point of points) drawShape(pen, shape, ...this.#place(surface, point, box), css("--mark"), css("--ink"));
    }
    for (const path of paths) this.#line(pen, surface, path, step, box);
    for (const path of paths) this.#end(pen, surface, path, step, box);
    if (start.length === 2 && start.every(Number.isFinite)) {
      const [x, y] = this.#place(surface, start, box);
      for (const [colour, width] of [[css("--mark"), 5], [css("--ink"), 2]]) {
        pen.beginPath();
        pen.arc(x, y, 7, 0, 2 * Math.PI);
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.stroke();
      }
    }
    pen.restore();
    const [[left, right], [low, high]] = surface.bounds;
    const across = ticksOf(left, right, box.width / 70).map((x) => [this.#place(surface, [x, low], box)[0], shown(x)]);
    const up = ticksOf(low, high, box.height / 50).map((y) => [this.#place(surface, [left, y], box)[1], shown(y)]);
    drawFrame(pen, box, across, up, "x", "y");
  }

  #contours(pen, surface, box) {
    const ratio = window.devicePixelRatio || 1, size = [box.width, box.height].map((x) => Math.round(x * ratio));
    const key = [surface.name, surface.formula, surface.bounds, ...size, css("--deep")].join();
    if (this.#painted.key !== key) this.#painted = { key, image: paintContours(surface, ...size) };
    pen.drawImage(this.#painted.image, box.left, box.top, box.width, box.height);
  }

  #line(pen, surface, path, step, box) {
    const last = Math.min(step, path.steps), places = [];
    for (const point of path.points.slice(0, last + 1)) {
      if (point.includes(null)) break;
      const place = this.#place(surface, point, box);
      const far = Math.max(...place.map(Math.abs)) / (FAR * box.width);
      const [x, y] = places.at(-1) ?? place;
      places.push(far > 1 ? [x + (place[0] - x) / far, y + (place[1] - y) / far] : place);
      if (far > 1) break;
    }
    const { dashes } = LOOKS.get(path.optimizer);
    for (const [colour, width, pattern] of [[css("--casing"), 5, []], [colourOf(path.optimizer), 2.5, dashes]]) {
      pen.beginPath();
      for (const place of places) pen.lineTo(...place);
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.setLineDash(pattern);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  /** Draw the optimizer's shape at the end of the path, or where the path left the view. */
  #end(pen, surface, path, step, box) {
    const inside = ([x, y]) => this.#inside(surface, x, y);
    const point = path.points.slice(0, Math.min(step, path.steps) + 1).findLast(inside);
    if (!point) return;
    const { shape } = LOOKS.get(path.optimizer);
    drawShape(pen, shape, ...this.#place(surface, point, box), colourOf(path.optimizer), css("--casing"), 1.15);
  }
}
