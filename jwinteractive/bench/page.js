// What `jwinteractive bench` times inside a page of JupyterLab, put there before its own scripts.
// Times are wall-clock milliseconds: the kernel's clock is the same machine's.

(() => {
  // Else a WebGL canvas cannot be read once it is shown; a canvas of ours is 2-D and not touched.
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    const kept = /webgl/.test(kind) ? { ...options, preserveDrawingBuffer: true } : options;
    return getContext.call(this, kind, kept);
  };

  const scratch = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
  const paper = getContext.call(scratch, "2d", { willReadFrequently: true });

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const notebook = () => window.jupyterapp?.shell.currentWidget;
  const kernel = () => notebook()?.sessionContext?.session?.kernel;

  /** Call `look(now)` after every painted frame until it returns something; that, or an error. */
  const afterPaint = (look, limit = 60_000) =>
    new Promise((done, failed) => {
      const end = Date.now() + limit;
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        let seen;
        try {
          seen = look(Date.now()); // looking takes time, too
        } catch (error) {
          return failed(error);
        }
        if (seen) done(seen);
        else if (Date.now() > end) failed(new Error(`nothing happened: ${look}`));
        else requestAnimationFrame(() => channel.port2.postMessage(0)); // runs after the frame
      };
      channel.port2.postMessage(0);
    });

  const canvas = (selector) => {
    const all = [...document.querySelectorAll(selector)].filter((c) => c.width > 100);
    return all.sort((a, b) => b.width * b.height - a.width * a.height)[0];
  };

  /** Green of the pixel in the middle. */
  const middle = (selector) => {
    const c = canvas(selector);
    if (!c) return -1;
    paper.clearRect(0, 0, 1, 1);
    paper.drawImage(c, c.width >> 1, c.height >> 1, 1, 1, 0, 0, 1, 1);
    return paper.getImageData(0, 0, 1, 1).data[1];
  };

  /** A digest of the canvas: of all pixels, or of 64 x 64 around its middle. */
  const digest = (selector, all) => {
    const c = canvas(selector);
    if (!c) return 0;
    let data;
    if (all) data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    else {
      paper.clearRect(0, 0, 64, 64);
      paper.drawImage(c, (c.width >> 1) - 32, (c.height >> 1) - 32, 64, 64, 0, 0, 64, 64);
      data = paper.getImageData(0, 0, 64, 64).data;
    }
    const words = new Uint32Array(data.buffer);
    let sum = words.length;
    for (const word of words) sum = (Math.imul(sum, 31) + word) | 0;
    return sum || 1;
  };

  /** Value of a Python expression as the kernel writes it as JSON. */
  const ask = async (expression) => {
    const told = { it: `__import__("json").dumps(${expression})` };
    const future = kernel().requestExecute(
      { code: "", user_expressions: told, silent: false, store_history: false, allow_stdin: false },
      true,
    );
    const { it } = (await future.done).content.user_expressions;
    if (it.status !== "ok") throw new Error(`${it.ename}: ${it.evalue}`);
    return JSON.parse(it.data["text/plain"].slice(1, -1).replaceAll("\\'", "'"));
  };

  const ready = () => afterPaint(() => kernel()?.status === "idle", 120_000);

  /** Put code into the only cell, run it, and return when it was sent and its canvas is there. */
  const show = async (code, selector, limit = 120_000) => {
    const cell = notebook().content.widgets[0];
    cell.model.sharedModel.setSource("");
    cell.model.clearExecution();
    await pause(300);
    cell.model.sharedModel.setSource(code);
    const began = Date.now();
    window.jupyterapp.commands.execute("notebook:run-all-cells");
    const at = await afterPaint((now) => {
      for (const output of cell.model.outputs.toJSON())
        if (output.output_type === "error") throw new Error(`${output.ename}: ${output.evalue}`);
      return canvas(selector) && now;
    }, limit);
    return at - began;
  };

  /** From a change in Python to its pixels: the middle becomes bright, or dark. */
  const toPixels = async (expression, bright, selector) => {
    const seen = afterPaint((now) => (middle(selector) > 138) === bright && now, 10_000);
    const began = await ask(expression);
    return (await seen) - began;
  };

  /** From an act in the page to a changed canvas; `before` is looked at first. */
  const act = async (how, selector, limit = 10_000) => {
    const before = digest(selector, true);
    const drawn = counter();
    const began = Date.now();
    how();
    const at = await afterPaint(
      (now) => counter() !== drawn && digest(selector, true) !== before && now,
      limit,
    );
    return at - began;
  };

  const counter = () =>
    [...document.querySelectorAll("[data-drawn]")].reduce((n, e) => n + Number(e.dataset.drawn), 0);

  /** Redraws a second while wheel events come at a rate. */
  const zooming = async (selector, rate, seconds) => {
    const box = canvas(selector).getBoundingClientRect();
    const [clientX, clientY] = [box.x + box.width / 2, box.y + box.height / 2];
    const el = document.elementFromPoint(clientX, clientY); // often something lies on the canvas
    const at = { clientX, clientY, bubbles: true, cancelable: true };
    let sent = 0;
    const timer = setInterval(() => {
      const deltaY = Math.floor(sent++ / 20) % 2 ? 12 : -12;
      el.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY }));
    }, 1000 / rate);
    let last = digest(selector);
    let redraws = 0;
    const end = Date.now() + 1000 * seconds;
    await afterPaint((now) => {
      const seen = digest(selector);
      redraws += seen !== last;
      last = seen;
      return now > end;
    });
    clearInterval(timer);
    return redraws / seconds;
  };

  /** Set a control as a person does. */
  const set = (element, value) => {
    const native = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(element), "value");
    native.set.call(element, String(value));
    element.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const commit = (element) => element.dispatchEvent(new Event("change", { bubbles: true }));

  /** A place along a slider, from 0 to 1. */
  const slide = (element, part) => set(element, Math.round(part * Number(element.max)));

  /** From a key on the frame to a changed drawing of what was picked. */
  const pick = async (frame, drawing, key) => {
    const picture = () => document.querySelector(drawing)?.innerHTML;
    const before = picture();
    const began = Date.now();
    canvas(frame).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const at = await afterPaint((now) => picture() !== before && now, 10_000);
    return at - began;
  };

  /** Drag a control: how the picture follows, and how long another cell waits meanwhile. */
  const drag = async (control, parts, rate, selector, rest = 1500) => {
    const element = document.querySelector(control);
    const waits = [];
    let [sent, lastEvent, changedAt, redraws] = [0, 0, 0, 0];
    const pointer = (kind) => element.dispatchEvent(new PointerEvent(kind, { bubbles: true }));
    pointer("pointerdown");
    let shown = digest(selector, true);
    let drawn = counter();
    const timer = setInterval(() => {
      if (sent < parts.length) {
        slide(element, parts[sent++]);
        lastEvent = Date.now();
        if (sent === parts.length) {
          pointer("pointerup");
          commit(element);
        }
      }
    }, 1000 / rate);
    const others = (async () => {
      while (sent < parts.length) {
        const began = Date.now();
        await ask("1");
        waits.push(Date.now() - began);
        await pause(200);
      }
    })();
    await afterPaint((now) => {
      if (counter() !== drawn) {
        drawn = counter();
        const seen = digest(selector, true);
        if (seen !== shown) {
          [shown, changedAt] = [seen, now];
          redraws++;
        }
      }
      return sent === parts.length && now > Math.max(lastEvent, changedAt) + rest;
    }, 60_000);
    clearInterval(timer);
    await others;
    return { sent, redraws, final: changedAt - lastEvent, waits };
  };

  /** From the next event of the pointer, as the browser dates it, until `look(now)` holds. */
  const afterPointer = (kind, look) =>
    new Promise((done, failed) => {
      const hear = (event) => {
        const began = performance.timeOrigin + event.timeStamp;
        afterPaint((now) => look(now) && now, 10_000).then((at) => done(at - began), failed);
      };
      window.addEventListener(kind, hear, { capture: true, once: true });
    });

  /** From a move of the pointer to a changed canvas. */
  const follows = (selector) => {
    const [before, drawn] = [digest(selector, true), counter()];
    return afterPointer("pointermove", () => counter() !== drawn && digest(selector, true) !== before);
  };

  /** From letting the pointer go to what Python makes of the stroke: the middle becomes bright. */
  const applied = (selector) => afterPointer("pointerup", () => middle(selector) > 138);

  /** From letting the pointer go to the picture that Python computed after it. */
  const repictured = () => {
    const frame = document.querySelector(".jwi-frame").dataset;
    const before = frame.serial;
    return afterPointer("pointerup", () => frame.serial !== before);
  };

  /** From a click on a step of the list to its form with all its rows. */
  const panel = async (step, rows) => {
    const began = Date.now();
    document.querySelector(`.jwi-step[data-step="${step}"]`).click();
    const at = await afterPaint(
      (now) =>
        document.querySelector(".jwi-form-title").textContent === step &&
        document.querySelectorAll(".jwi-form .jwi-row").length === rows && now,
      10_000,
    );
    return at - began;
  };

  window.jwiBench = {
    pause, ready, ask, show, toPixels, act, zooming, set, slide, commit, pick, drag, digest, middle, counter,
    afterPaint, canvas, follows, applied, repictured, panel,
  };
})();
