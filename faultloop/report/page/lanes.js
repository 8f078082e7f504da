// The swim lanes: what each task did, over steps or over virtual time. Only what is in view is drawn, and where more than
// fits lies in one place it is drawn as one, so that a run of any length stays quick.

const LANE = 26, BAR = 14, AXIS = 40, LEFT = 150, WAKES_MAX = 400, LABELS_GAP = 70;

class Lanes {
  constructor() {
    this.axis = draw("svg", { height: AXIS, "aria-hidden": "true" });
    this.body = draw("svg", { class: "lanes-body", role: "img", tabindex: "0" });
    this.spacer = make("div");
    this.scroll = make("div", { class: "lanes-scroll" }, this.body, this.spacer);
    this.overview = draw("svg", { height: 26, "aria-hidden": "true" });
    this.root = make("div", { class: "lanes" }, this.axis, this.scroll, this.overview);
    this.pending = false;
    this.scroll.addEventListener("scroll", () => this.soon());
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.drag(this.body, (dx, start) => {
      const scale = (start.to - start.from) / this.room;
      pan(start.from - dx * scale - state.from);
    });
    this.drag(this.overview, (dx, start, x) => {
      const at = ((x - LEFT) / this.room) * theAxis().end(theRun());
      pan(at - (state.to - state.from) / 2 - state.from);
    });
    new ResizeObserver(() => this.soon()).observe(this.root);
    on((change) => this.changed(change));
  }

  get room() { return Math.max(this.width - LEFT - 8, 50); }
  x(value) { return LEFT + ((value - state.from) / (state.to - state.from)) * this.room; }
  shows(value) { return value >= state.from && value <= state.to; }

  changed(change) {
    if ("chosen" in change && state.chosen >= 0) this.revealLane(theRun().events.task[state.chosen]);
    this.soon();
  }

  revealLane(task) {
    if (task < 0) return;
    const top = task * LANE, height = this.scroll.clientHeight;
    if (top < this.scroll.scrollTop || top + LANE > this.scroll.scrollTop + height)
      this.scroll.scrollTop = Math.max(top - height / 2, 0);
  }

  soon() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.render(); });
  }

  render() {
    const run = theRun();
    this.width = this.root.clientWidth || 800;
    const total = run.tasks.length * LANE;
    const height = Math.min(total, Math.max(Math.round(window.innerHeight * 0.46), 120));
    this.body.setAttribute("width", this.width);
    this.body.setAttribute("height", height);
    this.spacer.style.height = `${Math.max(total - height, 0)}px`;
    this.body.setAttribute("aria-label", this.summary(run));
    this.body.replaceChildren(this.hatch());
    const top = this.scroll.scrollTop;
    const first = Math.max(Math.floor(top / LANE), 0);
    const last = Math.min(Math.ceil((top + height) / LANE), run.tasks.length - 1);
    this.top = top;
    this.grid(run, height);
    for (let task = first; task <= last; task++) this.lane(run, task);
    this.wakes(run, first, last);
    this.marks(run, first, last);
    this.verdict(run, height);
    this.drawOverview(run);
  }

  summary(run) {
    const fault = run.firstFault >= 0 ? ` The first fault is at step ${run.events.step[run.firstFault]}.` : "";
    return `${run.name}: ${counted(run.tasks.length, "task")} over ${counted(run.size, "event")}; ${run.status}.${fault}` +
      " Arrow keys go from event to event, plus and minus zoom.";
  }

  hatch() {
    const pattern = draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    pattern.append(draw("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 6, "stroke-width": 2 }));
    const defs = draw("defs");
    defs.append(pattern);
    return defs;
  }

  y(task) { return task * LANE - this.top + LANE / 2; }

  grid(run, height) {
    this.axis.setAttribute("width", this.width);
    this.axis.replaceChildren();
    let free = -Infinity;
    for (const at of run.times) {
      const value = theAxis().event(run, at);
      if (!this.shows(value)) continue;
      const x = this.x(value), next = at + 1 < run.size ? run.events.t[at] : run.events.t[at];
      const before = at > 0 ? run.events.t[at - 1] : 0;
      const jump = next - before >= 1e9;
      if (x - free < 3 && !jump) continue;
      this.body.append(draw("line", { class: jump ? "grid jump" : "grid", x1: x, x2: x, y1: 0, y2: height }));
      if (x - free < LABELS_GAP || x < LEFT + 40) continue;
      free = x;
      this.axis.append(draw("text", { x, y: 16, "text-anchor": "middle" }, `${seconds(run.events.t[at])} s`));
      if (jump) this.axis.append(draw("text", { x, y: 27, "text-anchor": "middle", class: "soft" }, `// +${seconds(next - before)}`));
    }
    const told = state.axis === "step" ? "virtual time, by steps" : "virtual time";
    this.axis.append(draw("text", { x: 8, y: 16, class: "soft" }, told));
    for (const [value, anchor] of [[state.from, "start"], [state.to, "end"]])
      this.axis.append(draw("text", { x: this.x(value), y: 38, "text-anchor": anchor, class: "soft" }, theAxis().tick(value)));
  }

  lane(run, task) {
    const y = this.y(task);
    this.body.append(draw("line", { class: "lane-line", x1: 0, x2: this.width, y1: y + LANE / 2, y2: y + LANE / 2 }));
    this.bars(run, task, y);
    this.turns(run, task, y);
    const name = run.tasks[task];
    const label = draw("text", { x: 8, y: y + 4 }, name.length > 20 ? `${name.slice(0, 19)}…` : name);
    this.body.append(titled(label, name));
  }

  bars(run, task, y) {
    const axis = theAxis(), end = axis.end(run);
    let drawnTo = -Infinity, merged = null;
    for (const wait of run.waitsOf[task]) {
      const from = axis.event(run, wait[BEGIN]);
      const to = wait[END] >= 0 ? axis.turn(run, wait[END])[0] : end;
      if (to < state.from) continue;
      if (from > state.to) break;
      const left = Math.max(this.x(from), LEFT), right = Math.min(this.x(to), this.width);
      if (right - left < 1.5 && wait[FATE] === OVER) {
        if (left - drawnTo < 2) { if (merged) merged.setAttribute("width", Math.max(right - merged.x0, 1)); continue; }
        merged = draw("rect", { class: "many", x: left, y: y - BAR / 4, width: Math.max(right - left, 1), height: BAR / 2 });
        merged.x0 = left;
        this.body.append(merged);
        drawnTo = right;
        continue;
      }
      merged = null;
      drawnTo = right;
      this.bar(run, wait, left, right, y);
    }
  }

  bar(run, wait, left, right, y) {
    const kind = ["wait", "wait lost", "wait open"][wait[FATE]];
    const bar = draw("rect", { class: kind, x: left, y: y - BAR / 2, width: Math.max(right - left, 1), height: BAR, rx: 2 });
    const site = wait[SITE] >= 0 ? run.sites[wait[SITE]] : null;
    const fate = ["", " · woken, but a fault took what it was woken with", " · never went on"][wait[FATE]];
    titled(bar, `${run.tasks[wait[TASK]]} waits ${siteWords(run, wait[SITE], wait[NTH])}${fate}${site ? `\n${site.chain.join("\n")}` : ""}`);
    bar.addEventListener("click", () => choose(wait[BEGIN], { reveal: false }));
    this.body.append(bar);
    if (site && right - left > 60) {
      const said = `${site.awaited}  ${site.place.split("/").pop()}`, fits = Math.floor((right - left - 8) / 6.7);
      this.body.append(draw("text", { x: left + 4, y: y + 4, "pointer-events": "none" }, said.length > fits ? `${said.slice(0, fits - 1)}…` : said));
    }
  }

  turns(run, task, y) {
    let drawnTo = -Infinity;
    for (const at of run.turnsOf[task]) {
      const [from, to] = theAxis().turn(run, at);
      if (to < state.from) continue;
      if (from > state.to) break;
      const left = this.x(from), width = Math.max(this.x(to) - left, 2);
      if (left < LEFT - 2 || left - drawnTo < 1) continue;
      drawnTo = left + width;
      const turn = draw("rect", { class: "turn", x: left, y: y - BAR / 2, width, height: BAR });
      if (width > 3) titled(turn, `${run.tasks[task]} runs, step ${run.events.step[at]}, then ${eventWords(run, at)}`);
      turn.addEventListener("click", () => choose(at, { reveal: false }));
      this.body.append(turn);
    }
  }

  wakes(run, first, last) {
    const seen = [];
    for (const wait of run.wakes) {
      const x = theAxis().waker(run, wait[WOKEN]);
      if (!this.shows(x)) continue;
      if ((wait[BY] < first && wait[TASK] < first) || (wait[BY] > last && wait[TASK] > last)) continue;
      seen.push(wait);
      if (seen.length > WAKES_MAX) return; // so many arrows would be one grey surface: they come back when zoomed in
    }
    for (const wait of seen) {
      const x = this.x(theAxis().waker(run, wait[WOKEN])), from = this.y(wait[BY]), to = this.y(wait[TASK]);
      const tip = to > from ? to - BAR / 2 : to + BAR / 2, back = to > from ? -5 : 5;
      const kind = wait[FATE] === LOST ? "wake lost" : "wake";
      this.body.append(titled(draw("path", { class: kind, d: `M${x},${from} L${x},${tip} M${x - 3},${tip + back} L${x},${tip} L${x + 3},${tip + back}` }),
        `${run.tasks[wait[BY]]} wakes ${run.tasks[wait[TASK]]}${wait[FATE] === LOST ? "; a fault took what it was woken with" : ""}`));
    }
  }

  marks(run, first, last) {
    let labelled = -Infinity;
    for (const at of run.marks) {
      const value = theAxis().event(run, at), task = Math.max(run.events.task[at], 0);
      if (!this.shows(value) || task < first || task > last) continue;
      const x = this.x(value), y = this.y(task), ev = run.events.ev[at];
      const mark = ev === "note"
        ? draw("path", { class: "note", d: `M${x - 4},${y - 9} h8 l-4,7 z` })
        : draw("circle", { class: "fault", cx: x, cy: y, r: ev === "fault" ? 6 : 4, "data-kind": ev });
      titled(mark, `${taskName(run, at)}: ${eventWords(run, at)}, step ${run.events.step[at]}, ${seconds(run.events.t[at])} s`);
      mark.addEventListener("click", () => choose(at, { reveal: false }));
      this.body.append(mark);
      if (ev === "fault" && x - labelled > 90) {
        labelled = x;
        const label = run.events.text[at] || "fault", isLast = x + 9 + label.length * 7 > LEFT + this.room; // no room for it
        this.body.append(draw("text", { class: "fault-label", x: isLast ? x - 9 : x + 9, y: y - 4, "text-anchor": isLast ? "end" : "start" }, label));
      }
    }
    if (state.chosen >= 0 && run.events.task[state.chosen] >= 0) {
      const x = this.x(theAxis().event(run, state.chosen)), y = this.y(run.events.task[state.chosen]);
      if (x >= LEFT) this.body.append(draw("circle", { class: "selected", cx: x, cy: y, r: 9 }));
    }
  }

  verdict(run, height) {
    const difference = data.difference && data.difference.event <= run.last ? data.difference.event : -1;
    if (difference >= 0 && this.shows(theAxis().event(run, difference))) {
      const x = this.x(theAxis().event(run, difference));
      this.body.append(titled(draw("line", { class: "difference", x1: x, x2: x, y1: 0, y2: height }), "the first difference of the two runs"));
    }
    const end = theAxis().event(run, Math.max(run.last, 0));
    if (!run.failed || !this.shows(end)) return;
    const x = this.x(end);
    this.body.append(draw("line", { class: "violation", x1: x, x2: x, y1: 0, y2: height }));
    this.body.append(titled(draw("text", { class: "violation-label", x: x - 5, y: 11, "text-anchor": "end" }, run.status), run.message));
  }

  drawOverview(run) {
    this.overview.setAttribute("width", this.width);
    const end = theAxis().end(run), columns = Math.min(Math.floor(this.room / 2), 600);
    const key = `${state.run} ${state.axis} ${columns}`;
    if (this.countedFor !== key) {
      this.counts = new Float32Array(columns);
      for (let at = 0; at < run.size; at++)
        this.counts[Math.min(Math.floor((theAxis().event(run, at) / end) * columns), columns - 1)] += 1;
      this.most = Math.max(...this.counts, 1);
      this.countedFor = key;
    }
    let path = "";
    this.counts.forEach((count, column) => {
      if (count) path += `M${LEFT + (column / columns) * this.room},24 v${-Math.max(20 * Math.sqrt(count / this.most), 2)} `;
    });
    const x = (value) => LEFT + (value / end) * this.room;
    const parts = [draw("text", { x: 8, y: 17, class: "soft" }, "whole run")];
    const curve = draw("path", { d: path, class: "density", "stroke-width": 1.5 });
    parts.push(curve, draw("rect", { class: "window", x: x(state.from), y: 1, width: Math.max(x(state.to) - x(state.from), 3), height: 24 }));
    for (const at of run.marks)
      if (run.events.ev[at] === "fault") parts.push(draw("circle", { class: "fault", cx: x(theAxis().event(run, at)), cy: 6, r: 4 }));
    this.overview.replaceChildren(...parts);
  }

  key(event) {
    const run = theRun(), step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && event.shiftKey) pan(((state.to - state.from) / 8) * step);
    else if (step) choose(Math.min(Math.max(state.chosen + step, 0), run.last));
    else if (event.key === "+" || event.key === "=") zoom(0.6, state.chosen >= 0 ? theAxis().event(run, state.chosen) : undefined);
    else if (event.key === "-") zoom(1 / 0.6);
    else if (event.key === "0") set(whole());
    else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(run.last);
    else return;
    event.preventDefault();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) < Math.abs(event.deltaY)) return; // scrolls the lanes
    event.preventDefault();
    const at = state.from + ((event.offsetX - LEFT) / this.room) * (state.to - state.from);
    if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, Math.max(at, state.from));
    else pan((((event.deltaX || event.deltaY) * (state.to - state.from)) / this.room));
  }

  drag(element, move) {
    element.addEventListener("pointerdown", (down) => {
      const start = { from: state.from, to: state.to };
      const left = element.getBoundingClientRect().left;
      const moved = (event) => move(event.clientX - down.clientX, start, event.clientX - left);
      const done = () => {
        window.removeEventListener("pointermove", moved);
        window.removeEventListener("pointerup", done);
      };
      if (element === this.overview) move(0, start, down.clientX - left);
      window.addEventListener("pointermove", moved);
      window.addEventListener("pointerup", done);
    });
  }
}
