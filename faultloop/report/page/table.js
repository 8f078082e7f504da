// The table of events: all of them, filtered by kind and by what they say. Only the rows in view are there.

const ROW = 22, OVERSCAN = 8;
const KINDS = { await: "waits", wake: "wakes", spawn: "tasks", end: "ends", fault: "faults", note: "notes", time: "time" };

class Table {
  constructor() {
    this.hidden = new Set();
    this.filter = "";
    this.shown = [];
    this.spacer = make("div");
    this.rows = make("div", { class: "rows", tabindex: "0", role: "rowgroup" }, this.spacer);
    const head = make("div", { class: "row head", role: "row" },
      ...["step", "virtual", "task", "what happened"].map((name, at) => make("span", { role: "columnheader", class: at < 2 ? "number" : "" }, name)));
    this.root = make("div", { class: "table", role: "table", "aria-label": "events of the run" }, head, this.rows);
    this.count = make("span", { role: "status", "aria-live": "polite" });
    this.search = make("input", { type: "search", placeholder: "filter: task, function, file, text", "aria-label": "filter events", size: 30,
      oninput: () => { this.filter = this.search.value.toLowerCase(); this.refill(); } });
    const kinds = Object.entries(KINDS).map(([kind, name]) =>
      make("button", { type: "button", "aria-pressed": "true", "data-kind": kind, onclick: (event) => this.toggle(kind, event.currentTarget) }, name));
    this.toolbar = make("div", { class: "toolbar", role: "group", "aria-label": "which events" }, this.search, ...kinds, make("span", { class: "space" }), this.count);
    this.rows.addEventListener("scroll", () => this.render());
    this.rows.addEventListener("keydown", (event) => this.key(event));
    on((change) => this.changed(change));
  }

  toggle(kind, button) {
    const hide = !this.hidden.has(kind);
    if (hide) this.hidden.add(kind); else this.hidden.delete(kind);
    button.setAttribute("aria-pressed", String(!hide));
    this.refill();
  }

  changed(change) {
    if ("run" in change) return this.refill();
    if ("chosen" in change) this.reveal();
  }

  refill() {
    const run = theRun();
    this.shown = [];
    for (let at = 0; at < run.size; at++) {
      const kind = run.events.ev[at] === "hold" ? "fault" : run.events.ev[at];
      if (this.hidden.has(kind)) continue;
      if (this.filter && !`${taskName(run, at)} ${eventWords(run, at)}`.toLowerCase().includes(this.filter)) continue;
      this.shown.push(at);
    }
    this.count.textContent = `${this.shown.length.toLocaleString("en")} of ${counted(run.size, "event")}`;
    this.root.setAttribute("aria-rowcount", this.shown.length + 1);
    this.spacer.style.height = `${this.shown.length * ROW}px`;
    this.rows.scrollTop = 0;
    this.reveal();
  }

  reveal() {
    const place = this.shown.indexOf(state.chosen);
    if (place >= 0) {
      const top = place * ROW, view = this.rows;
      if (top < view.scrollTop || top + ROW > view.scrollTop + view.clientHeight) view.scrollTop = Math.max(top - view.clientHeight / 2, 0);
    }
    this.render();
  }

  render() {
    const run = theRun();
    const first = Math.max(Math.floor(this.rows.scrollTop / ROW) - OVERSCAN, 0);
    const last = Math.min(Math.ceil((this.rows.scrollTop + this.rows.clientHeight) / ROW) + OVERSCAN, this.shown.length);
    const rows = [this.spacer];
    for (let place = first; place < last; place++) rows.push(this.row(run, this.shown[place], place));
    this.rows.replaceChildren(...rows);
  }

  row(run, at, place) {
    const ev = run.events.ev[at];
    const ends = run.failed && ev === "end" && run.events.task[at] === 0;
    const kind = `row ${ev === "hold" ? "fault" : ev}${at === state.chosen ? " chosen" : ""}${ends ? " ended" : ""}`;
    const row = make("div", { class: kind, role: "row", "aria-rowindex": place + 2, "aria-selected": String(at === state.chosen), onclick: () => choose(at) },
      make("span", { class: "number mono", role: "cell" }, String(run.events.step[at])),
      make("span", { class: "number mono", role: "cell" }, seconds(run.events.t[at])),
      make("span", { role: "cell" }, taskName(run, at)),
      make("span", { class: "mono", role: "cell" }, eventWords(run, at)));
    row.style.top = `${place * ROW}px`;
    return row;
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !this.shown.length) return;
    const place = Math.min(Math.max(this.shown.indexOf(state.chosen) + step, 0), this.shown.length - 1);
    choose(this.shown[place]);
    event.preventDefault();
  }
}
