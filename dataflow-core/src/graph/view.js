
// The camera: wheel, pinch, drag and keys move the view; dragging a node moves the node.
class View {
  constructor(canvas, layer, { bounds, column, moveNode, onClick, onMove }) {
    Object.assign(this, { canvas, layer, bounds, column, moveNode, onClick, onMove });
    this.x = 0; this.y = 0; this.scale = 1;
    this.pointers = new Map();
    this.drag = null;
    this.moved = false;
    canvas.addEventListener("wheel", event => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", event => this.down(event));
    canvas.addEventListener("pointermove", event => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, event => this.up(event));
    new ResizeObserver(() => { if (!this.moved) this.start(); }).observe(canvas);
  }

  apply() {
    this.layer.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
    const grid = 22 * this.scale * (this.scale < 0.5 ? 2 : 1);
    this.canvas.style.backgroundSize = `${grid}px ${grid}px`;
    this.canvas.style.backgroundPosition = `${this.x}px ${this.y}px`;
    this.onMove();
  }

  // All of it, however small.
  fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const { x, y, right, bottom } = this.bounds();
    this.scale = Math.max(0.05, Math.min(1.25, (width - 24) / (right - x), (height - 24) / (bottom - y)));
    this.x = (width - (x + right) * this.scale) / 2;
    this.y = (height - (y + bottom) * this.scale) / 2;
    this.apply();
  }

  // All of it where that can be read; else its beginning, at a size that can.
  start() {
    this.fit();
    if (this.scale >= 0.7) return;
    const { width } = this.canvas.getBoundingClientRect();
    const { x, y, right } = this.bounds();
    const column = this.column();
    const whole = (width - 24) / (right - x);
    this.scale = whole >= 0.7 ? Math.min(1, whole) : Math.min(0.9, (width - 24) / column.width);
    const middle = whole >= 0.7 ? (x + right) / 2 : column.x + column.width / 2;
    this.x = width / 2 - middle * this.scale;
    this.y = 4 - y * this.scale;
    this.apply();
  }

  // Keeps what is under the point under it.
  zoom(factor, clientX, clientY) {
    const rect = this.canvas.getBoundingClientRect();
    const [x, y] = [clientX - rect.left, clientY - rect.top];
    const scale = Math.max(0.05, Math.min(4, this.scale * factor));
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.moved = true;
    this.apply();
  }

  zoomMiddle(factor) {
    const rect = this.canvas.getBoundingClientRect();
    this.zoom(factor, rect.left + rect.width / 2, rect.top + rect.height / 2);
  }

  pan(dx, dy) {
    this.x += dx; this.y += dy;
    this.moved = true;
    this.apply();
  }

  // Brings a box into the window, for the keyboard.
  reveal(box) {
    const { width, height } = this.canvas.getBoundingClientRect();
    const [left, top] = [box.x * this.scale + this.x, box.y * this.scale + this.y];
    const [right, bottom] = [left + box.width * this.scale, top + box.height * this.scale];
    const dx = left < 12 ? 12 - left : Math.min(0, Math.max(width - 12 - right, 12 - left));
    const dy = top < 12 ? 12 - top : Math.min(0, Math.max(height - 12 - bottom, 12 - top));
    if (dx || dy) this.pan(dx, dy);
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) * (event.ctrlKey ? 0.008 : 0.0016)), event.clientX, event.clientY);
  }

  down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.drag = this.pointers.size === 1 ? { node: event.target.closest(".node"), target: event.target, far: 0, begun: false } : null;
  }

  move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    if (this.drag) {
      this.drag.far += Math.hypot(dx, dy);
      if (!this.drag.begun && this.drag.far < 4) return;
      if (!this.drag.begun) {
        this.drag.begun = true;
        this.canvas.setPointerCapture(event.pointerId);
        this.canvas.classList.add("moving");
      }
      if (this.drag.node) this.moveNode(this.drag.node, dx / this.scale, dy / this.scale);
      else this.pan(dx, dy);
    } else if (this.pointers.size === 2) {
      const [one, two] = [...this.pointers.entries()].map(([id, at]) => ({ before: at, after: id === event.pointerId ? { x: event.clientX, y: event.clientY } : at }));
      const apart = side => Math.hypot(one[side].x - two[side].x, one[side].y - two[side].y) || 1;
      const middle = side => [(one[side].x + two[side].x) / 2, (one[side].y + two[side].y) / 2];
      const [from, to] = [middle("before"), middle("after")];
      this.pan(to[0] - from[0], to[1] - from[1]);
      this.zoom(apart("after") / apart("before"), to[0], to[1]);
    }
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const drag = this.drag;
    this.drag = null;
    this.canvas.classList.remove("moving");
    if (drag && !drag.begun && event.type === "pointerup") this.onClick(drag.target, event);
  }

  get busy() { return this.pointers.size > 0 && (!this.drag || this.drag.begun); }
}
