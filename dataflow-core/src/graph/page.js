
// The page: draws the data, shows details, follows keys.
const data = JSON.parse(document.getElementById("data").textContent);
const { nodes, layout } = data;
const at = id => document.getElementById(id);
const [canvas, panel, search] = [at("canvas"), at("panel"), at("search")];
const ARROW = 9, BEND = 8, LINE = 15;

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter(child => child !== null));
  return element;
}

// Boxes.
const boxes = layout.boxes.map(box => ({ ...box }));
const titleOf = node => node.node === "step" ? node.name : word(node.node);

function drawNode(node, index) {
  const { width, height } = boxes[index];
  const middle = height / 2;
  const group = svg("g", { class: `node ${node.node}`, "data-id": node.id, tabindex: 0, role: "button" });
  const radius = node.node === "step" ? 12 : Math.min(27, middle);
  group.append(
    svg("rect", { class: "ring", x: -4, y: -4, width: width + 8, height: height + 8, rx: radius + 4 }),
    svg("rect", { class: "box", width, height, rx: radius, fill: node.colours.fill }),
  );
  if (node.node === "step") {
    group.append(
      svg("text", { class: "name", x: 16, y: middle - 15 }, node.lines[0]),
      svg("text", { class: "mono", x: 16, y: middle + 5 }, node.lines[1]),
      svg("text", { class: "mono faint", x: 16, y: middle + 26 }, node.lines[2]),
      svg("rect", { x: width - 84, y: middle + 12, width: 72, height: 20, rx: 10, fill: "#fff" }),
      svg("text", { class: "badge", x: width - 48, y: middle + 26, style: `fill: ${node.badge}` }, node.kind),
    );
    group.setAttribute("aria-label", `${node.name}, ${node.operator} (step=${node.step}), ${node.kind}`);
  } else {
    group.append(svg("text", { class: "name middle", x: width / 2, y: middle - 4 }), svg("text", { class: "mono faint middle", x: width / 2, y: middle + 15 }));
  }
  return group;
}

const nodeElements = nodes.map(drawNode);
at("nodes").append(...nodeElements);

// Lines and labels.
const edges = layout.lines.map(line => {
  const style = `--line: ${nodes[line.source].colours.line}`;
  const [way, head, reach] = [svg("path", { class: "way" }), svg("path", { class: "head" }), svg("path", { class: "reach" })];
  const names = { "data-source": nodes[line.source].id, "data-target": nodes[line.target].id };
  const group = svg("g", { class: `edge ${line.carries}`, style, ...names }, way, head, reach);
  let label = null;
  if (line.label) {
    label = svg("g", { class: line.carries, style, ...names }, svg("rect", { width: line.label.width, height: line.label.height, rx: 6 }));
    line.label.lines.forEach((pieces, row) => {
      const text = svg("text", { x: line.label.width / 2, y: line.label.height / 2 - (line.label.lines.length - 1) * LINE / 2 + row * LINE + 4 });
      pieces.forEach((piece, place) => {
        if (place) text.append(", ");
        const span = svg("tspan", piece.key === null ? { class: "more" } : { class: "key" }, piece.text);
        if (piece.key !== null) span.dataset.key = piece.key;
        else span.dataset.more = line.keys.length - line.label.lines.flat().filter(other => other.key !== null).length;
        text.append(span);
      });
      label.append(text);
    });
  }
  return { ...line, group, way, head, reach, tag: label };
});
at("edges").append(...edges.map(edge => edge.group));
at("labels").append(...edges.filter(edge => edge.tag).map(edge => edge.tag));

// A corner of a line of right angles, rounded as far as its two sides allow.
function rounded(points) {
  let path = `M${points[0].x} ${points[0].y}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [before, corner, after] = [points[i - 1], points[i], points[i + 1]];
    const toward = other => {
      const far = Math.hypot(other.x - corner.x, other.y - corner.y) || 1;
      const step = Math.min(BEND, far / 2) / far;
      return `${corner.x + (other.x - corner.x) * step} ${corner.y + (other.y - corner.y) * step}`;
    };
    path += ` L${toward(before)} Q${corner.x} ${corner.y} ${toward(after)}`;
  }
  const last = points[points.length - 1];
  return `${path} L${last.x} ${last.y}`;
}

function place(edge) {
  const [source, target] = [boxes[edge.source], boxes[edge.target]];
  let path, head, label;
  if (edge.route.way === "straight") {
    const [x0, y0] = [source.x + source.width / 2, source.y + source.height];
    const [x1, y1] = [target.x + target.width / 2, target.y];
    const pull = Math.max(24, Math.abs(y1 - ARROW - y0) / 2);
    path = x0 === x1 && y1 > y0 ? `M${x0} ${y0} L${x1} ${y1 - ARROW}` : `M${x0} ${y0} C${x0} ${y0 + pull} ${x1} ${y1 - ARROW - pull} ${x1} ${y1 - ARROW}`;
    head = `M${x1} ${y1} l-4.5 ${-ARROW} h9 z`;
    label = { x: (x0 + x1) / 2, y: (y0 + y1 - ARROW) / 2 };
  } else {
    const { lane, leave, enter } = edge.route;
    const side = box => lane > box.x + box.width / 2 ? 1 : -1;
    const rim = box => side(box) > 0 ? box.x + box.width : box.x;
    const away = side(target);
    const [y0, y1, tip] = [source.y + leave, target.y + enter, rim(target)];
    // A box that was dragged over the lane is entered from just outside of it.
    const clear = (box, x) => side(box) > 0 ? Math.max(x, rim(box) + ARROW + 14) : Math.min(x, rim(box) - ARROW - 14);
    const [out, back] = [clear(source, lane), clear(target, lane)];
    const points = [{ x: rim(source), y: y0 }, { x: out, y: y0 }];
    if (out !== back) points.push({ x: out, y: (y0 + y1) / 2 }, { x: back, y: (y0 + y1) / 2 });
    points.push({ x: back, y: y1 }, { x: tip + away * ARROW, y: y1 });
    path = rounded(points);
    head = `M${tip} ${y1} l${away * ARROW} -4.5 v9 z`;
    label = { x: tip + away * (ARROW + 5 + (edge.label ? edge.label.width / 2 : 0)), y: y1 };
  }
  edge.way.setAttribute("d", path);
  edge.reach.setAttribute("d", path);
  edge.head.setAttribute("d", head);
  if (edge.tag) edge.tag.setAttribute("transform", `translate(${label.x - edge.label.width / 2} ${label.y - edge.label.height / 2})`);
}

function placeNode(index) {
  nodeElements[index].setAttribute("transform", `translate(${boxes[index].x} ${boxes[index].y})`);
  for (const edge of edges) if (edge.source === index || edge.target === index) place(edge);
}
nodes.forEach((_, index) => placeNode(index));

// Details.
const showing = { node: null, edge: null, pinned: false };
let pointer = null, leaving = 0, closing = false;

const columnsOf = node => node.node === "step" ? [...node.reads, ...node.writes] : node.columns;
function keyTable(keys) {
  return html("table", {}, ...keys.map(({ key, type, field }) => {
    const link = html("button", { class: "key-link mono", type: "button" }, key);
    link.dataset.key = key;
    return html("tr", {}, html("td", {}, link), html("td", {}, type), field ? html("td", { class: "mono" }, field) : null);
  }));
}
const section = (title, body) => body ? [html("h3", {}, word(title)), body] : [];
const kindChip = node => html("span", { class: "kind", style: `color: ${node.badge}` }, node.kind);

function nodeDetails(node) {
  if (node.node !== "step") {
    const chips = html("div", { class: "operator" }, word(`${node.node}Long`));
    return [html("h2", {}, word(node.node)), chips, ...section("columns", node.columns.length ? keyTable(node.columns) : null)];
  }
  const chips = [kindChip(node), ...[node.shape, node.category, node.serving && `${word("serving")}: ${node.serving}`].filter(Boolean).map(text => html("span", { class: "chip" }, text))];
  const values = Object.entries(node.parameters || {});
  const shown = value => typeof value === "string" ? value : JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
  const list = html("dl", {}, ...values.map(([name, value]) => html("div", {}, html("dt", { class: "mono" }, name), html("dd", {}, html("pre", {}, shown(value))))));
  return [
    html("h2", {}, node.name), html("div", { class: "operator mono" }, `${node.operator} (step=${node.step})`), html("div", { class: "chips" }, ...chips),
    ...section("reads", node.reads.length ? keyTable(node.reads) : null), ...section("writes", node.writes.length ? keyTable(node.writes) : null),
    ...section("parameters", values.length ? list : null),
  ];
}

function edgeDetails(edge) {
  const [source, target] = [nodes[edge.source], nodes[edge.target]];
  const known = new Map([...columnsOf(target), ...columnsOf(source)].map(key => [key.key, key.type]));
  const keys = edge.keys.map(key => ({ key, type: known.get(key) || "" }));
  return [html("h2", {}, `${titleOf(source)} → ${titleOf(target)}`), ...section("keys", keyTable(keys))];
}

function show(what, { pinned = false } = {}) {
  if (showing.pinned && !pinned) return;
  clearTimeout(leaving);
  Object.assign(showing, { node: null, edge: null }, what, { pinned });
  nodeElements.forEach((element, index) => element.classList.toggle("pinned", pinned && what.node === index));
  const close = html("button", { class: "close", type: "button", "aria-label": word("close"), title: word("close") }, "×");
  panel.replaceChildren(close, ...(what.edge ? edgeDetails(what.edge) : nodeDetails(nodes[what.node])));
  panel.classList.toggle("pinned", pinned);
  panel.hidden = false;
  panel.scrollTop = 0;
  const element = what.edge ? null : nodeElements[what.node].querySelector(".box");
  settle(element ? element.getBoundingClientRect() : new DOMRect(pointer.x - 6, pointer.y - 6, 12, 12));
}

function hide({ now = false, pinned = false } = {}) {
  clearTimeout(leaving);
  if (showing.pinned && !pinned) return;
  const close = () => {
    panel.hidden = true;
    Object.assign(showing, { node: null, edge: null, pinned: false });
    nodeElements.forEach(element => element.classList.remove("pinned"));
  };
  if (now) close();
  else leaving = setTimeout(close, 160);
}

// Puts the panel beside what it tells of: within the window, and never under the pointer.
function settle(anchor) {
  const room = at("canvas").getBoundingClientRect();
  const edge = 10, gap = 10;
  const width = Math.min(380, room.width - 2 * edge);
  panel.style.width = `${width}px`;
  panel.style.maxHeight = `${room.height - 2 * edge}px`;
  const height = panel.offsetHeight;
  const within = (value, low, high) => Math.max(low, Math.min(value, high));
  const [top, bottom, left, right] = [room.top + edge, room.bottom - edge, room.left + edge, room.right - edge];
  const beside = x => ({ x, y: within(anchor.top, top, bottom - height), height });
  const x = within(anchor.left, left, right - width);
  const below = (y, least = 0) => ({ x, y: Math.max(y, top), height: Math.min(height, bottom - Math.max(y, top)), least });
  const above = y => { const fits = Math.min(height, Math.min(y, bottom) - top); return { x, y: Math.min(y, bottom) - fits, height: fits }; };
  const places = [beside(anchor.right + gap), beside(anchor.left - gap - width), below(anchor.bottom + gap), above(anchor.top - gap)];
  if (pointer) places.push(below(pointer.y + 18), above(pointer.y - 18));
  const inside = place => place.x >= left - 0.5 && place.x + width <= right + 0.5 && place.height > 0;
  const covers = place => pointer && pointer.x >= place.x - 4 && pointer.x <= place.x + width + 4 && pointer.y >= place.y - 4 && pointer.y <= place.y + place.height + 4;
  const fitting = places.filter(place => inside(place) && !covers(place));
  const enough = Math.min(height, 170);
  const best = fitting.find(place => place.height >= height) || fitting.find(place => place.height >= Math.max(enough, height * 0.6)) || fitting.sort((one, other) => other.height - one.height)[0];
  if (!best) { panel.hidden = true; return; }
  panel.style.maxHeight = `${best.height}px`;
  panel.style.left = `${best.x - room.left}px`;
  panel.style.top = `${best.y - room.top}px`;
}

// The way of keys through the graph.
function trace(keys, node = null) {
  const wanted = new Set(keys);
  document.body.classList.toggle("tracing", wanted.size > 0 || node !== null);
  const on = new Set(node === null ? [] : [node]);
  for (const edge of edges) {
    const shown = edge.carries !== "untouched" || document.body.classList.contains("all");
    const hit = shown && (node === null ? edge.keys.some(key => wanted.has(key)) : edge.source === node || edge.target === node);
    edge.group.classList.toggle("on", hit);
    if (edge.tag) {
      edge.tag.classList.toggle("on", hit);
      for (const span of edge.tag.querySelectorAll("tspan.key")) span.classList.toggle("on", wanted.has(span.dataset.key));
    }
    if (hit) on.add(edge.source).add(edge.target);
  }
  if (node === null) nodes.forEach((node, index) => { if (columnsOf(node).some(({ key }) => wanted.has(key)) && node.node === "step") on.add(index); });
  nodeElements.forEach((element, index) => element.classList.toggle("on", on.has(index)));
}

function found() {
  const text = search.value.trim().toLowerCase();
  const keys = text ? allKeys.filter(key => key.toLowerCase() === text) : [];
  return keys.length || !text ? keys : allKeys.filter(key => key.toLowerCase().includes(text));
}
const rest = () => trace(found());
const allKeys = [...new Set(nodes.flatMap(node => columnsOf(node).map(({ key }) => key)))].sort();
at("keys").append(...allKeys.map(key => html("option", { value: key })));
search.addEventListener("input", rest);

const view = new View(canvas, at("view"), {
  bounds: () => ({
    x: Math.min(0, ...boxes.map(box => box.x - 20)), y: Math.min(0, ...boxes.map(box => box.y - 20)),
    right: Math.max(layout.width, ...boxes.map(box => box.x + box.width + 20)), bottom: Math.max(layout.height, ...boxes.map(box => box.y + box.height + 20)),
  }),
  column: () => layout.boxes[0] || { x: 0, width: layout.width },
  moveNode(element, dx, dy) {
    const index = nodeElements.indexOf(element);
    boxes[index].x += dx;
    boxes[index].y += dy;
    hide({ now: true, pinned: true });
    placeNode(index);
  },
  onClick(target) {
    const element = target.closest(".node");
    if (!element) { hide({ now: true, pinned: true }); rest(); return; }
    const index = nodeElements.indexOf(element);
    if (showing.pinned && showing.node === index) hide({ now: true, pinned: true });
    else show({ node: index }, { pinned: true });
  },
  onMove: () => hide({ now: true }),
});

function over(target) {
  const node = target.closest(".node");
  const key = target.closest("[data-key]");
  const group = target.closest(".edge, #labels > g");
  if (node) {
    const index = nodeElements.indexOf(node);
    trace([], index);
    if (showing.node !== index || panel.hidden) show({ node: index });
  } else if (group) {
    const edge = edges.find(edge => edge.group === group || edge.tag === group);
    trace(key ? [key.dataset.key] : edge.keys);
    if (showing.edge !== edge || panel.hidden) show({ edge });
  } else {
    rest();
    hide();
  }
}

// What is entered is told before the move that enters it.
for (const name of ["pointerover", "pointermove", "pointerdown"]) addEventListener(name, event => { pointer = { x: event.clientX, y: event.clientY }; }, true);
canvas.addEventListener("pointerover", event => { if (!view.busy && event.pointerType !== "touch") over(event.target); });
canvas.addEventListener("pointerleave", () => { rest(); hide(); });
panel.addEventListener("pointerenter", () => clearTimeout(leaving));
panel.addEventListener("pointerleave", () => { rest(); hide(); });
for (const [begin, end] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
  panel.addEventListener(begin, event => { const key = event.target.closest("[data-key]"); if (key) trace([key.dataset.key]); });
  panel.addEventListener(end, event => { if (event.target.closest("[data-key]")) rest(); });
}
panel.addEventListener("click", event => {
  const key = event.target.closest("[data-key]");
  if (event.target.closest(".close")) {
    const { node } = showing;
    hide({ now: true, pinned: true });
    closing = true; // the node gets the focus back, and says nothing of itself this once
    if (node !== null) nodeElements[node].focus();
    closing = false;
  }
  else if (key) { search.value = key.dataset.key; rest(); }
});

// Keys of the keyboard: Tab goes from node to node, Enter keeps the details open.
nodeElements.forEach((element, index) => {
  element.addEventListener("focus", () => {
    if (closing || !element.matches(":focus-visible")) return;
    view.reveal(boxes[index]);
    trace([], index);
    show({ node: index });
  });
  element.addEventListener("blur", () => { rest(); hide(); });
  element.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show({ node: index }, { pinned: true });
    panel.querySelector(".close").focus();
  });
});
addEventListener("keydown", event => {
  if (event.key === "Escape") { hide({ now: true, pinned: true }); search.value = ""; rest(); }
  if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (step && !panel.contains(event.target)) { event.preventDefault(); view.pan(...step); }
  if (event.key === "+" || event.key === "=") view.zoomMiddle(1.25);
  if (event.key === "-") view.zoomMiddle(0.8);
  if (event.key === "0") view.fit();
  if (event.key === "/") { event.preventDefault(); search.focus(); }
});

// The bar.
at("in").addEventListener("click", () => view.zoomMiddle(1.25));
at("out").addEventListener("click", () => view.zoomMiddle(0.8));
at("fit").addEventListener("click", () => { view.moved = true; view.fit(); });
at("untouched").addEventListener("click", event => {
  const all = document.body.classList.toggle("all");
  event.currentTarget.setAttribute("aria-checked", all);
  rest();
});
at("untouched").hidden = !edges.some(edge => edge.carries === "untouched");
at("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
at("language").addEventListener("click", () => { language = language === "en" ? "zh" : "en"; speak(); });

function speak() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  for (const element of document.querySelectorAll("[data-title]")) { element.title = word(element.dataset.title); element.setAttribute("aria-label", element.title); }
  for (const span of document.querySelectorAll("tspan.more")) span.textContent = word("more")(span.dataset.more);
  search.placeholder = word("search");
  search.setAttribute("aria-label", word("search"));
  canvas.setAttribute("aria-label", word("canvas"));
  const servings = [...new Set(nodes.map(node => node.serving).filter(Boolean))];
  at("facts").textContent = word("facts")(nodes.filter(node => node.node === "step").length, allKeys.length, servings);
  nodes.forEach((node, index) => {
    if (node.node === "step") return;
    const [name, count] = nodeElements[index].querySelectorAll("text");
    name.textContent = word(node.node);
    count.textContent = word("columnCount")(node.columns.length);
    nodeElements[index].setAttribute("aria-label", `${name.textContent}, ${count.textContent}`);
  });
  const line = (dashes, cap = "butt") => svg("svg", { viewBox: "0 0 34 12" }, svg("path", { d: "M2 6 h30", stroke: "#8b5cf6", "stroke-width": 2, "stroke-dasharray": dashes, "stroke-linecap": cap }));
  const swatch = colour => svg("svg", { viewBox: "0 0 34 12" }, svg("rect", { x: 3, width: 28, height: 12, rx: 6, style: `fill: ${colour}` }));
  const ramp = html("span", { style: "width: 34px; height: 12px; border-radius: 4px; justify-self: center; background: linear-gradient(90deg, #7c3aed, #2563eb)" });
  const kinds = { generate: "#15803d", eval: "#a16207", filter: "#be123c", refine: "#0e7490" };
  const rows = [
    ...Object.entries(kinds).map(([kind, badge]) => [kindChip({ kind, badge }), kind]),
    [ramp, "colours"], [swatch("#0f766e"), "isInput"], [swatch("#b45309"), "isOutput"],
    [line("none"), "lineKeys"], [line("7 5"), "lineUntouched"], [line("1.5 5", "round"), "lineRows"],
  ];
  at("meanings").replaceChildren(...rows.flatMap(([sign, meaning]) => [sign, html("span", {}, word(meaning))]));
  if (!panel.hidden) show({ node: showing.node, edge: showing.edge }, { pinned: showing.pinned });
}

at("legend").open = innerWidth > 900;
speak();
view.start();
