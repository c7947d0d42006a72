// ---- source: surfaces and paths, from the server or from the records inside this file ----

/** Surfaces and paths from the server of the page. */
class Served {
  recorded = false;
  #latest = new AbortController();

  surface(name) {
    return this.#ask(`surface?${new URLSearchParams({ name })}`);
  }

  async race(race) {
    const { paths } = await this.#ask(`race?${toQuery(race)}`);
    return paths.map((path) => ({ ...path, frames: Array.from(path.values.keys()) }));
  }

  /** Ask the server, which stops computing what was asked for before. */
  async #ask(address) {
    this.#latest.abort();
    this.#latest = new AbortController();
    let response, answer;
    try {
      response = await fetch(address, { signal: this.#latest.signal });
      answer = await response.json();
    } catch {
      throw new Error("the server does not answer: start it again with gpugrad descend --serve");
    }
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }
}

/** Surfaces and paths that gpugrad precomputed; `record` in recorded.py describes the format. */
class Recorded {
  recorded = true;
  #opened = new Map();

  async surface(name) {
    if (!setup.surfaces.includes(name)) {
      throw new Error(`unknown surface '${name}': this file has ${setup.surfaces.join(", ")}`);
    }
    if (!this.#opened.has(name)) this.#opened.set(name, await this.#open(setup.recorded[name]));
    const { surface, starts, choices } = this.#opened.get(name);
    return { ...surface, grid: starts, choices };
  }

  async race(race) {
    const record = this.#opened.get(race.surface), { choices, starts } = record;
    const start = starts.findIndex((point) => point.join() === race.start);
    if (start < 0) throw new Error(`no paths from ${race.start} are in this file: click to choose the nearest start`);
    if (!race.optimizers.length) throw new Error("no optimizer is selected: select at least one");
    return race.optimizers.map(({ name, rate }) => {
      const at = choices.rates[name].indexOf(Number(rate));
      const momentum = record.own(name) ? choices.momentum.indexOf(Number(race.momentum)) : 0;
      const row = record.first(choices.noise.indexOf(Number(race.noise)), name, momentum) + at * starts.length + start;
      return { optimizer: name, lr: Number(rate), ...record.path(row) };
    });
  }

  async #open(base64) {
    const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const size = new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
    const planes = bytes.subarray(4 + size), n = planes.length / 2, per = n / 4;
    const lengths = head.paths.map(([steps]) => head.frames.filter((k) => k < steps).length + 1);
    const offsets = [0];
    for (const length of lengths) offsets.push(offsets.at(-1) + length);
    const channel = (c, row) => {
      let sum = 0;
      return Array.from({ length: lengths[row] }, (_, i) => {
        const at = c * per + offsets[row] + i;
        sum = ((sum + (planes[at] | (planes[n + at] << 8))) << 16) >> 16; // wraps around, as in the record
        return sum;
      });
    };
    return { ...head, ...this.#order(head), path: (row) => this.#path(head, row, (c) => channel(c, row)) };
  }

  /** Return the index of the first path of a noise, optimizer and momentum. */
  #order({ starts, choices, with_momentum: own }) {
    const each = starts.length * Object.values(choices.rates)[0].length, blocks = new Map();
    let block = 0;
    for (const noise of choices.noise.keys()) {
      for (const name of Object.keys(choices.rates)) {
        blocks.set(`${noise} ${name}`, block);
        block += own.includes(name) ? choices.momentum.length : 1;
      }
    }
    return {
      own: (name) => own.includes(name),
      first: (noise, name, momentum) => (blocks.get(`${noise} ${name}`) + momentum) * each,
    };
  }

  #path({ surface, frames, scale, paths }, row, channel) {
    const [steps, verdict, reason] = paths[row];
    const place = (whole, [low, high]) => low + (whole / scale.units) * (high - low);
    const value = (whole) => (Math.abs(whole) === 32767 ? null : Math.sinh(whole / scale.digits) * scale.tiny);
    const [x, y, values, norms] = [0, 1, 2, 3].map(channel);
    return {
      steps, verdict, reason,
      frames: [...frames.filter((k) => k < steps), steps],
      points: x.map((_, i) => [place(x[i], surface.bounds[0]), place(y[i], surface.bounds[1])]),
      values: values.map(value),
      gradient_norms: norms.map(value),
    };
  }
}
