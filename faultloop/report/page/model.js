// The data of the page, and what is derived from it. Draws nothing.
//
// A run: tasks [name] · sites [{function, awaited, place, chain, source}] · events {step, t, ev, task, by, site, nth} as
// columns, text by index · waits [task, site, nth, begin, woken, by, end, fate], where moments are indices of events and
// -1 is never · lives [[begin, end]] by task · series [{name, points: [[seconds, value]]}].

const data = JSON.parse(document.getElementById("faultloop-data").textContent);
const TASK = 0, SITE = 1, NTH = 2, BEGIN = 3, WOKEN = 4, BY = 5, END = 6, FATE = 7;
const OVER = 0, LOST = 1, OPEN = 2;

const seconds = (t) => (t / 1e9).toFixed(3);

function prepare(run) {
  const events = run.events;
  run.size = events.step.length;
  run.last = run.size - 1;
  run.waitsOf = run.tasks.map(() => []);
  for (const wait of run.waits) run.waitsOf[wait[TASK]].push(wait);
  run.turnsOf = run.tasks.map(() => []);
  run.marks = [];
  run.times = [];
  for (let at = 0; at < run.size; at++) {
    const ev = events.ev[at];
    if (ev === "await" || ev === "end") run.turnsOf[events.task[at]].push(at);
    else if (ev === "fault" || ev === "hold" || ev === "note") run.marks.push(at);
    else if (ev === "time") run.times.push(at);
  }
  run.wakes = run.waits.filter((wait) => wait[WOKEN] >= 0 && wait[BY] >= 0 && wait[BY] !== wait[TASK]);
  run.firstFault = events.ev.indexOf("fault");
  run.words = new Array(run.size);
  return run;
}

const runs = data.runs.map(prepare);

// Where a moment lies on an axis. By steps every step has its place, so that a burst at one instant can be seen; by time,
// waits are as long as they last.
const axes = {
  step: {
    label: "steps",
    end: (run) => (run.size ? run.events.step[run.last] : 0) + 1,
    event: (run, at) => run.events.step[at],
    turn: (run, at) => [run.events.step[at] - 0.8, run.events.step[at]],
    waker: (run, at) => run.events.step[at] - 0.4,
    tick: (value) => `step ${Math.round(value)}`,
  },
  time: {
    label: "virtual time",
    end: (run) => Math.max(run.size ? run.events.t[run.last] / 1e9 : 0, 1e-9) * 1.02,
    event: (run, at) => run.events.t[at] / 1e9,
    turn: (run, at) => [run.events.t[at] / 1e9, run.events.t[at] / 1e9],
    waker: (run, at) => run.events.t[at] / 1e9,
    tick: (value) => `${value.toFixed(3)} s`,
  },
};

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function siteWords(run, site, nth) {
  if (site < 0) return "?";
  const { function: name, awaited, place } = run.sites[site];
  return `${name} > ${awaited}${nth ? ` #${nth}` : ""}  ${place}`;
}

function eventWords(run, at) {
  if (run.words[at] !== undefined) return run.words[at];
  const { ev, by, site, nth } = run.events;
  const text = run.events.text[at] || "";
  const who = by[at] >= 0 ? run.tasks[by[at]] : "";
  const words = {
    spawn: () => (who ? `made by ${who}` : "begins"),
    await: () => `waits ${siteWords(run, site[at], nth[at])}`,
    wake: () => (who ? `woken by ${who}` : "woken"),
    end: () => `ended: ${text || "result"}`,
    fault: () => `✗ ${text || "fault"} (injected)`,
    hold: () => `wake-up held back${text ? `: ${text}` : ""}`,
    note: () => text,
    time: () => `── ${seconds(run.events.t[at])} s ──`,
  }[ev[at]]();
  run.words[at] = words;
  return words;
}

const taskName = (run, at) => (run.events.task[at] >= 0 ? run.tasks[run.events.task[at]] : "");

// What the parts of the page tell each other: `on` to hear of a change, `set` to make one.
const state = { run: 0, axis: "step", from: 0, to: 1, chosen: -1 };
const listeners = [];
const on = (listener) => listeners.push(listener);
function set(change) {
  Object.assign(state, change);
  for (const listener of listeners) listener(change);
}
const theRun = () => runs[state.run];
const theAxis = () => axes[state.axis];
const whole = () => ({ from: 0, to: theAxis().end(theRun()) });

function zoom(factor, centre = (state.from + state.to) / 2) {
  const end = theAxis().end(theRun());
  const width = Math.min(Math.max((state.to - state.from) * factor, end / 1e6), end);
  const share = (centre - state.from) / (state.to - state.from);
  const from = Math.min(Math.max(centre - width * share, 0), end - width);
  set({ from, to: from + width });
}

function pan(by) {
  const end = theAxis().end(theRun());
  const width = state.to - state.from;
  const from = Math.min(Math.max(state.from + by, 0), end - width);
  set({ from, to: from + width });
}

// Bring an event into view, in the middle of what is shown.
function choose(at, { reveal = true } = {}) {
  const change = { chosen: at };
  const x = theAxis().event(theRun(), at);
  if (reveal && (x < state.from || x > state.to)) {
    const width = state.to - state.from;
    const end = theAxis().end(theRun());
    change.from = Math.min(Math.max(x - width / 2, 0), end - width);
    change.to = change.from + width;
  }
  set(change);
}

// Making elements, without a string of HTML anywhere.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

function titled(element, text) {
  element.append(draw("title", {}, text));
  return element;
}
