// The page around lanes and table: what happened in words, the sources, the commands, and the switches.

function section(title, ...children) {
  const kept = children.filter(Boolean);
  return kept.length ? make("section", {}, make("h2", {}, title), ...kept) : null;
}

const lines = (texts, kind = "") => texts.map((text) => make("p", { class: kind }, text));

function copy(text, button) {
  const done = () => {
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  };
  const byHand = () => { // where the clipboard is closed to pages from disk
    const area = make("textarea", { class: "hidden" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    done();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, byHand);
  else byHand();
}

function commands() {
  return data.commands.map(([label, text]) => {
    const button = make("button", { type: "button", "aria-label": `copy the command: ${label}`, onclick: () => copy(text, button) }, "copy");
    return make("div", {}, make("p", { class: "soft" }, label), make("div", { class: "command" }, make("code", {}, text), button));
  });
}

function excerpt(site) {
  if (!site.source.length) return null;
  const here = Number(site.place.split(":").pop());
  return make("div", { class: "source mono", role: "group", "aria-label": `source at ${site.place}`, tabindex: "0" }, ...site.source.map(([number, text]) =>
    make("div", { class: number === here ? "here" : "" }, make("span", { class: "number" }, String(number)), text)));
}

function waiting() {
  return data.stuck.map((wait) => {
    const why = wait.needs ? `needs ${wait.needs}${wait.owner ? "" : "; nobody will do it"}` : "";
    return make("p", {}, make("b", {}, wait.task), ` ← ${wait.where} `, make("span", { class: "mono" }, wait.place), why ? ` ${why}` : "");
  });
}

// Who waits for whom at the end: a box for each task, an arrow from the one that waits to the one it needs.
function waitForGraph() {
  const edges = data.stuck.filter((wait) => wait.owner);
  if (!edges.length) return null;
  const names = [...new Set(edges.flatMap((wait) => [wait.task, wait.owner]))];
  const height = names.length * 34 + 6, row = (name) => names.indexOf(name) * 34 + 18;
  const svg = draw("svg", { width: 300, height, role: "img", "aria-label": edges.map((wait) => `${wait.task} waits for ${wait.owner}`).join("; ") });
  for (const name of names) {
    svg.append(draw("rect", { class: "wait", x: 4, y: row(name) - 12, width: 150, height: 24, rx: 4 }));
    svg.append(draw("text", { x: 12, y: row(name) + 4 }, name.slice(0, 20)));
  }
  edges.forEach((wait, number) => {
    const from = row(wait.task) - 4, to = row(wait.owner) + 4, out = 185 + (number % 5) * 20;
    svg.append(titled(draw("path", { class: "wake", d: `M154,${from} C${out},${from} ${out},${to} 156,${to} m6,-4 l-6,4 l6,4` }), `${wait.task} needs ${wait.needs} from ${wait.owner}`));
    svg.append(draw("text", { class: "soft", x: out - 14, y: (from + to) / 2 + 4 }, wait.needs.slice(0, 16)));
  });
  return svg;
}

function detail() {
  const box = make("div", { "aria-live": "polite" });
  const show = () => {
    const run = theRun(), at = state.chosen;
    if (at < 0) return box.replaceChildren(make("p", { class: "soft" }, "Choose a bar or a row."));
    const site = run.events.site[at] >= 0 ? run.sites[run.events.site[at]] : null;
    box.replaceChildren(
      make("p", {}, make("b", {}, taskName(run, at) || "the clock"), ` ${eventWords(run, at)}`),
      make("p", { class: "soft" }, `step ${run.events.step[at]}, ${seconds(run.events.t[at])} s virtual`),
      ...(site ? [excerpt(site), ...site.chain.map((frame) => make("p", { class: "mono" }, frame))].filter(Boolean) : []));
  };
  on((change) => { if ("chosen" in change || "run" in change) show(); });
  show();
  return box;
}

function sources() {
  const run = runs[0], wanted = new Set();
  run.waits.filter((wait) => wait[FATE] !== OVER).slice(0, 4).forEach((wait) => wanted.add(wait[SITE]));
  for (const at of run.marks) {
    if (run.events.ev[at] !== "fault") continue;
    const hit = run.waitsOf[run.events.task[at]]?.find((wait) => wait[BEGIN] <= at && (wait[END] < 0 || wait[END] >= at));
    if (hit) wanted.add(hit[SITE]);
  }
  return [...wanted].filter((site) => site >= 0 && run.sites[site].source.length).slice(0, 5).map((site) =>
    make("div", {}, make("p", { class: "mono" }, `${run.sites[site].function}  ${run.sites[site].place}`), excerpt(run.sites[site])));
}

function side() {
  return make("aside", { "aria-label": "what happened" }, ...[
    section("What was done", ...lines(data.fault, "fault-text"), ...lines(data.order)),
    section("What broke", ...lines(data.broke), data.passes ? make("p", {}, `passes ${data.passes}`) : null, ...lines(data.also)),
    section("Who waits for whom at the end", waitForGraph(), ...waiting()),
    data.difference ? section("Where it leaves the passing run", make("p", {}, `this run: ${data.difference.left}`), make("p", {}, `passing: ${data.difference.right}`)) : null,
    section("The chosen event", detail()),
    section("Where it waits", ...sources()),
    section("Next", ...commands()),
    section("The run", make("dl", {}, ...data.facts.flatMap(([label, text]) => [make("dt", {}, label), make("dd", {}, text)]))),
  ].filter(Boolean));
}

function switches() {
  const jump = (label, at) => (at >= 0 ? make("button", { type: "button", onclick: () => { choose(at); } }, label) : null);
  const axis = make("button", { type: "button", "aria-pressed": "false", onclick: () => {
    const next = state.axis === "step" ? "time" : "step";
    set({ axis: next, from: 0, to: axes[next].end(theRun()) });
    axis.setAttribute("aria-pressed", String(next === "time"));
  } }, "linear time");
  const other = runs.length > 1 ? make("button", { type: "button", "aria-pressed": "false", onclick: () => {
    const next = 1 - state.run;
    set({ run: next, chosen: -1, from: 0, to: theAxis().end(runs[next]) });
    other.setAttribute("aria-pressed", String(next === 1));
  } }, "last passing run") : null;
  const dark = make("button", { type: "button", onclick: () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark") }, "light / dark");
  return make("div", { class: "toolbar", role: "group", "aria-label": "view" }, ...[
    make("button", { type: "button", "aria-label": "zoom in", onclick: () => zoom(0.6) }, "+"),
    make("button", { type: "button", "aria-label": "zoom out", onclick: () => zoom(1 / 0.6) }, "−"),
    make("button", { type: "button", onclick: () => set(whole()) }, "whole run"),
    axis, other,
    jump("to the fault", runs[0].firstFault),
    jump("to the end", runs[0].last),
    data.difference ? jump("to the first difference", Math.min(data.difference.event, runs[0].last)) : null,
    make("span", { class: "space" }), dark,
  ].filter(Boolean));
}

const theme = (name) => { document.documentElement.dataset.theme = name; };

function legend() {
  const entry = (kind, text) => [make("b", { class: kind, "aria-hidden": "true" }), text];
  return make("p", { class: "legend" }, ...entry("run", "runs"), ...entry("", "waits"), ...entry("lost", "was woken for nothing"), ...entry("open", "never went on"), ...entry("dot", "fault"));
}

function plot({ name, points }) {
  const width = 300, height = 90, top = Math.max(...points.map(([, value]) => value), 0), low = Math.min(...points.map(([, value]) => value), 0);
  const end = Math.max(points[points.length - 1][0], 1e-9);
  const x = (t) => 34 + (t / end) * (width - 44), y = (value) => 74 - ((value - low) / (top - low || 1)) * 60;
  let path = `M${x(points[0][0])},${y(points[0][1])}`;
  for (const [t, value] of points.slice(1)) path += `H${x(t)}V${y(value)}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}: from ${points[0][1]} to ${points[points.length - 1][1]}, at most ${top}` });
  svg.append(draw("line", { class: "lane-line", x1: 34, x2: width - 10, y1: 74, y2: 74 }), draw("path", { class: "curve", d: path }));
  svg.append(draw("text", { x: 30, y: 18, "text-anchor": "end", class: "soft" }, String(top)), draw("text", { x: 30, y: 77, "text-anchor": "end", class: "soft" }, String(low)));
  svg.append(draw("text", { x: width - 10, y: 87, "text-anchor": "end", class: "soft" }, `${end.toFixed(1)} s`));
  return make("div", { class: "panel" }, make("h2", {}, name), svg);
}

function measures() {
  const series = runs[0].series;
  return series.length ? make("div", { class: "measures" }, ...series.map(plot)) : null;
}

function begin() {
  theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const lanes = new Lanes(), table = new Table();
  document.body.append(
    make("header", {}, make("div", {}, make("h1", {}, data.sentence),
      make("p", {}, make("span", { class: `status ${data.failed ? "failed" : ""}` }, data.status), ...(data.faults.length ? [make("code", {}, data.faults.join(" · "))] : [])))),
    make("main", {}, side(), make("div", {}, ...[switches(), lanes.root, legend(), measures(), table.toolbar, table.root].filter(Boolean))));
  set({ run: 0, ...whole() });
  if (runs[0].firstFault >= 0) choose(runs[0].firstFault);
  document.documentElement.dataset.ready = "true";
}

begin();
