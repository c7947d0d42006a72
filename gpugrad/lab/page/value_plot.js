// ---- value plot: value against step, logarithmic if it spans powers of ten ----

const HEIGHT = 250;
const STEEP = 1000; // values above this multiple of the first one leave the plot
const DEEP = 20; // and values below minus this multiple of it

class ValuePlot {
  #canvas = $("values");

  draw(paths, step) {
    const pen = penOf(this.#canvas, HEIGHT);
    const box = { left: 66, top: 10, width: this.#canvas.clientWidth - 84, height: HEIGHT - 52 };
    const most = Math.max(1, ...paths.map((path) => path.steps));
    const scale = scaleOf(paths);
    const x = (k) => box.left + (k / most) * box.width;
    const y = (value) => box.top + (1 - scale.share(value)) * box.height;
    pen.save();
    pen.beginPath();
    pen.rect(box.left, box.top, box.width, box.height);
    pen.clip();
    for (const path of paths) {
      const last = Math.min(step, path.steps);
      pen.beginPath();
      for (let i = 0; i <= last && path.values[i] !== null; i++) pen.lineTo(x(i), y(path.values[i]));
      pen.strokeStyle = colourOf(path.optimizer);
      pen.lineWidth = 2;
      pen.setLineDash(LOOKS.get(path.optimizer).dashes);
      pen.stroke();
      pen.setLineDash([]);
      if (path.values[last] === null) continue;
      const { shape } = LOOKS.get(path.optimizer);
      drawShape(pen, shape, x(last), y(path.values[last]), colourOf(path.optimizer), css("--casing"), 0.9);
    }
    pen.restore();
    const across = (paths.length ? ticksOf(0, most, box.width / 60) : []).filter(Number.isInteger).map((k) => [x(k), String(k)]);
    drawFrame(pen, box, across, scale.ticks.map((value) => [y(value), shown(value)]), "step", "value");
  }
}

/** Return {share, ticks}: share maps a value to 0 … 1 of the height. */
function scaleOf(paths) {
  const values = paths.flatMap((path) => path.values.filter((value) => value !== null));
  if (!values.length) return { share: () => 0, ticks: [] };
  const first = Math.max(...paths.map((path) => Math.abs(path.values[0] ?? 0)));
  let low = Math.max(values.reduce((a, b) => Math.min(a, b)), -DEEP * Math.max(first, 1));
  let high = Math.min(values.reduce((a, b) => Math.max(a, b)), STEEP * Math.max(first, 1e-12));
  if (low >= 0 && high > 100 * low) {
    low = Math.max(low, high * 1e-16);
    const [from, to] = [Math.floor(Math.log10(low)), Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1)];
    const by = Math.ceil((to - from) / 6), ticks = [];
    for (let power = from; power <= to; power += by) ticks.push(10 ** power);
    return { share: (value) => (Math.log10(Math.max(value, low)) - from) / (to - from), ticks };
  }
  if (high - low < 1e-12 * Math.max(1, Math.abs(high))) [low, high] = [low - 1, high + 1];
  const room = 0.05 * (high - low);
  [low, high] = [low - room, high + room];
  return { share: (value) => (value - low) / (high - low), ticks: ticksOf(low, high, 5) };
}
