// ---- canvas: sharp on every screen; axes, ticks, and the look of each optimizer ----

const setup = JSON.parse(document.getElementById("setup").textContent);
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// Shapes around the origin, for both canvas and SVG.
const SHAPES = [
  "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z", "M-4.5-4.5H4.5V4.5H-4.5Z", "M0-6L5.5 4.5H-5.5Z", "M0-6.5L5.5 0L0 6.5L-5.5 0Z",
  "M0 6L5.5-4.5H-5.5Z", "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z", "M6 0L-4.5 5.5V-5.5Z", "M-6 0L4.5 5.5V-5.5Z",
  "M6 0L3 5.2H-3L-6 0L-3-5.2H3Z",
];
const STAR = "M0-8L1.9-2.6L7.6-2.5L3.1 1L4.7 6.5L0 3.2L-4.7 6.5L-3.1 1L-7.6-2.5L-1.9-2.6Z";
const CROSS = "M-6-3.5L-3.5-6L0-2.5L3.5-6L6-3.5L2.5 0L6 3.5L3.5 6L0 2.5L-3.5 6L-6 3.5L-2.5 0Z";
const RING = "M8 0A8 8 0 1 1-8 0A8 8 0 1 1 8 0ZM5 0A5 5 0 1 0-5 0A5 5 0 1 0 5 0Z";
const LOOKS = new Map(setup.optimizers.map((entry, i) => [entry.name, {
  colour: { "#000000": "var(--ink)", "#0072B2": "var(--blue)" }[entry.colour] ?? entry.colour, // too dark in dark mode
  dashes: entry.dashed ? [7, 4] : [],
  shape: SHAPES[i % SHAPES.length],
}]));

/** Return the colour of an optimizer for a canvas. */
const colourOf = (name) => LOOKS.get(name).colour.replace(/var\((.*)\)/, (_, variable) => css(variable));

/** Return a line with the optimizer's shape, as SVG. */
function lookOf(name) {
  const { colour, dashes, shape } = LOOKS.get(name);
  const holder = document.createElement("template");
  holder.innerHTML = `<svg class="look" viewBox="-19 -8 38 16" aria-hidden="true"><line x1="-18" x2="18" stroke-width="3"
    stroke-dasharray="${dashes.join(" ")}"/><path d="${shape}"/></svg>`;
  const svg = holder.content.firstElementChild;
  svg.style.stroke = svg.style.fill = colour; // the page's policy allows styles that scripts set
  return svg;
}

/** Return a drawing context of this height in CSS pixels; the width follows from the page. */
function penOf(canvas, height) {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  pen.lineJoin = pen.lineCap = "round";
  return pen;
}

/** Return about n round numbers between two ends. */
function ticksOf(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const by = power * [1, 2, 5, 10].find((share) => power * share >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / by - 1e-9); k * by <= high + 1e-9 * by; k++) ticks.push(Number((k * by).toPrecision(12)));
  return ticks;
}

const shown = (x) => (x === null ? "not finite" : format(x).replace("-", "−").replace("e-", "e−"));
function format(x) {
  const plain = x === 0 || (Math.abs(x) >= 1e-4 && Math.abs(x) < 1e6);
  return plain ? String(Number(x.toPrecision(4))) : x.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
}

/** Draw the frame of a plot with its ticks, [[position, text], …] across and up, and the names of both axes. */
function drawFrame(pen, box, across, up, nameAcross, nameUp) {
  pen.save();
  pen.strokeStyle = pen.fillStyle = css("--faint");
  pen.lineWidth = 1;
  pen.strokeRect(box.left, box.top, box.width, box.height);
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const [x, words] of across) {
    pen.fillRect(x - 0.5, box.top + box.height, 1, 5);
    pen.fillText(words, x, box.top + box.height + 7);
  }
  pen.fillText(nameAcross, box.left + box.width / 2, box.top + box.height + 23);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const [y, words] of up) {
    pen.fillRect(box.left - 5, y - 0.5, 5, 1);
    pen.fillText(words, box.left - 8, y);
  }
  pen.translate(9, box.top + box.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(nameUp, 0, 0);
  pen.restore();
}

function drawShape(pen, shape, x, y, fill, edge, size = 1) {
  pen.save();
  pen.translate(x, y);
  pen.scale(size, size);
  pen.fillStyle = fill;
  pen.strokeStyle = edge;
  pen.lineWidth = 1.5;
  pen.fill(new Path2D(shape));
  pen.stroke(new Path2D(shape));
  pen.restore();
}
