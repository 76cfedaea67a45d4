/* What was said and done, in order. Every text is somebody else's: textContent only. */

// Every other outcome is an error, whether this page knows it or not.
const GRADES = { ok: "done", needs_confirmation: "pending" };
const OUTCOMES = { needs_confirmation: "asks for a yes" };
const NEAR = 80; // pixels from the end within which the list follows what comes
const KEPT = 20; // announcements

export class Timeline {
  #list;
  #announcer;
  #lines = new Map();
  #follows = true;

  constructor(list, announcer) {
    this.#list = list;
    this.#announcer = announcer;
    list.addEventListener("scroll", () => {
      this.#follows = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
    });
    // A smaller window must not hide the end.
    new ResizeObserver(() => this.#follow()).observe(list);
  }

  /** Forget everything. */
  clear() {
    this.#list.replaceChildren();
    this.#announcer.replaceChildren();
    this.#lines.clear();
    this.#follows = true;
  }

  /** Show words of one side, or let those with the same id grow. */
  line({ id, who, text, final }) {
    let item = this.#lines.get(id);
    if (!item) {
      const name = made("span", "who", who === "you" ? "You" : "Agent");
      item = made("li", `line ${who}`, name, made("p", "words"));
      this.#lines.set(id, item);
      this.#add(item);
    }
    item.querySelector(".words").textContent = text;
    item.classList.toggle("interim", !final);
    if (final) this.#announce(`${who === "you" ? "You" : "Agent"}: ${text}`);
    this.#follow();
  }

  /** Mark the agent's last words as cut off by the caller. */
  interrupted() {
    const spoken = this.#list.querySelectorAll(".line.agent");
    spoken[spoken.length - 1]?.classList.add("interrupted");
  }

  /** Mark what was written as refused, and say why. */
  refused(id, why) {
    const item = this.#lines.get(id);
    if (!item) return this.note(why, "failed");
    item.classList.add("refused");
    item.append(made("p", "why", why));
    this.#announce(why);
    this.#follow();
  }

  /**
   * Show a tool call or a retrieval: as the last thing, among what is shown by when it was (`at`,
   * in milliseconds), or instead of another item. Returns its item.
   */
  tool(call, { at = Date.now(), instead } = {}) {
    const outcome = String(call.outcome ?? "unknown");
    const label = Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome] : outcome.replaceAll("_", " ");
    const head = made(
      "p",
      "tool-head",
      made("span", "kind", call.chosen_by === "retrieval" ? "Retrieval" : "Tool"),
      made("code", "tool-name", made("span", "server", `${call.server} `), String(call.tool)),
      made("span", `outcome ${grade(outcome)}`, label),
      made("span", "ms", milliseconds(call.ms)),
    );
    const item = made("li", `tool ${grade(outcome)}`, head, ...given(call.arguments), ...found(call));
    if (instead) {
      item.title = instead.title;
      item.dataset.at = instead.dataset.at;
      instead.replaceWith(item);
    } else {
      this.#add(item, at);
      this.#announce(`${call.server} ${call.tool}: ${label}, ${milliseconds(call.ms)}`);
    }
    this.#follow();
    return item;
  }

  /** Show something about the call itself. */
  note(text, kind = "") {
    this.#add(made("li", `note ${kind}`, text));
    this.#announce(text);
    this.#follow();
  }

  #add(item, at = Date.now()) {
    item.title = new Date(at).toLocaleTimeString();
    item.dataset.at = at;
    const later = [...this.#list.children].find((other) => Number(other.dataset.at) > at);
    this.#list.insertBefore(item, later ?? null);
  }

  #announce(text) {
    this.#announcer.append(made("p", "", text));
    while (this.#announcer.childElementCount > KEPT) this.#announcer.firstElementChild.remove();
  }

  #follow() {
    if (this.#follows) this.#list.scrollTop = this.#list.scrollHeight;
  }
}

/** Make an element with a class, and with texts and elements in it. */
export function made(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className.trim();
  element.append(...content); // strings become text nodes, never markup
  return element;
}

function grade(outcome) {
  return Object.hasOwn(GRADES, outcome) ? GRADES[outcome] : "failed";
}

function milliseconds(value) {
  const number = Number(value);
  if (!Number.isFinite(number)) return "";
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;
}

function given(values) {
  const entries = Object.entries(values ?? {});
  if (!entries.length) return [];
  const rows = entries.map(([name, value]) =>
    made("div", "", made("dt", "", name), made("dd", "", plain(value))),
  );
  return [made("dl", "arguments", ...rows)];
}

function found(call) {
  if (!Array.isArray(call.passages)) return [];
  const count = call.passages.length;
  if (!count) return [made("p", "passages", "Nothing found")];
  const summary = made("summary", "", `${count} ${count === 1 ? "passage" : "passages"}`);
  const texts = call.passages.map((text) => made("blockquote", "", plain(text)));
  return [made("details", "passages", summary, ...texts)];
}

function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
