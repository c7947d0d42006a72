// ---- source: surfaces and paths from the server; live.js computes them in a file ----

/** Surfaces and paths from the server of the page. */
class Served {
  #latest = new AbortController();

  surface(race) {
    const fields = OF_SURFACE.filter((field) => race[field]).map((field) => [field, race[field]]);
    return this.#ask(`surface?${new URLSearchParams(fields)}`);
  }

  async race(race) {
    return (await this.#ask(`race?${toQuery(race)}`)).paths;
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
