// ---- table: the position of each path, and its verdict ----

class Table {
  #table = document.querySelector("table");
  #rows = [];

  fill(paths) {
    for (const body of this.#table.querySelectorAll("tbody")) body.remove();
    this.#table.hidden = !paths.length;
    this.#rows = paths.map((path) => {
      const body = this.#table.createTBody(), numbers = body.insertRow(), reason = body.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.append(lookOf(path.optimizer), `${path.optimizer}, η\u00a0=\u00a0${shown(path.lr)}`);
      numbers.append(head);
      const cells = Array.from({ length: 3 }, () => numbers.insertCell());
      reason.className = "reason";
      const words = reason.insertCell(), verdict = document.createElement("b"), rest = document.createElement("span");
      words.colSpan = 4;
      words.append(verdict, rest);
      return { path, cells, verdict, rest };
    });
  }

  show(step) {
    for (const { path, cells, verdict, rest } of this.#rows) {
      const at = Math.min(step, path.steps), over = step >= path.steps;
      const texts = [String(at), shown(path.values[at]), shown(path.gradient_norms[at])];
      texts.forEach((text, i) => { cells[i].textContent = text; });
      verdict.textContent = over ? path.words : "running";
      rest.textContent = over ? `: ${path.reason}` : "";
    }
  }
}
