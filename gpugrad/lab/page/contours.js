// ---- contours: bands and lines from heights over a grid ----

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Return heights in contour lines, (side, side), one row per second coordinate. */
function heightsOf(surface) {
  if (typeof surface.heights !== "string") return surface.heights; // computed here
  const view = new DataView(bytesOf(surface.heights).buffer);
  return Float32Array.from({ length: surface.side ** 2 }, (_, i) => (view.getUint16(2 * i, true) / 65535) * surface.bands);
}

function rgbOf(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** Return an image of width × height device pixels, each interpolated between four grid points. */
function paintContours(surface, width, height) {
  const heights = heightsOf(surface), side = surface.side, last = side - 1;
  const rows = new Float32Array((width + 1) * (height + 1));
  for (let j = 0; j <= height; j++) {
    const y = clamp((1 - (j + 0.5) / height) * last, 0, last), b = Math.min(Math.floor(y), last - 1), v = y - b;
    for (let i = 0; i <= width; i++) {
      const x = clamp(((i + 0.5) / width) * last, 0, last), a = Math.min(Math.floor(x), last - 1), u = x - a;
      const at = b * side + a;
      rows[j * (width + 1) + i] = (heights[at] * (1 - u) + heights[at + 1] * u) * (1 - v)
        + (heights[at + side] * (1 - u) + heights[at + side + 1] * u) * v;
    }
  }
  const [deep, high, line] = ["--deep", "--high", "--contour"].map((name) => rgbOf(css(name)));
  const image = new ImageData(width, height), ratio = window.devicePixelRatio || 1;
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      const at = j * (width + 1) + i, here = rows[at];
      const slope = Math.hypot(rows[at + 1] - here, rows[at + width + 1] - here);
      const level = clamp(Math.round(here), 1, surface.bands - 1);
      // Distance to the nearest line in pixels: lines are smooth, and fade where they are too close to distinguish.
      const ink = clamp(0.5 + ratio / 2 - Math.abs(here - level) / slope, 0, 1) * clamp(0.45 / (slope * ratio), 0, 1);
      const share = clamp(Math.floor(here), 0, surface.bands - 1) / (surface.bands - 1);
      for (let c = 0; c < 3; c++) {
        const band = deep[c] + (high[c] - deep[c]) * share;
        image.data[4 * (j * width + i) + c] = band + (line[c] - band) * (ink || 0);
      }
      image.data[4 * (j * width + i) + 3] = 255;
    }
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
