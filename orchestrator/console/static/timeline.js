/* What was said and done, in order. Every text is somebody else's: textContent only. */

const ERRORS = new Set([
  "invalid", "unknown_tool", "not_found", "rejected", "disconnected", "unavailable", "timeout",
  "outcome_unknown", "fault",
]);
const OUTCOMES = { needs_confirmation: "asks for a yes", outcome_unknown: "outcome unknown" };
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

  /** Show a tool call or a retrieval. */
  tool(event) {
    const outcome = String(event.outcome ?? "ok");
    const label = OUTCOMES[outcome] ?? outcome.replaceAll("_", " ");
    const head = made(
      "p",
      "tool-head",
      made("span", "kind", event.type === "retrieval" ? "Retrieval" : "Tool"),
      made("code", "tool-name", made("span", "server", `${event.server} `), String(event.tool)),
      made("span", `outcome ${grade(outcome)}`, label),
      made("span", "ms", milliseconds(event.ms)),
    );
    this.#add(made("li", `tool ${grade(outcome)}`, head, ...given(event.arguments), ...found(event)));
    this.#announce(`${event.server} ${event.tool}: ${label}, ${milliseconds(event.ms)}`);
    this.#follow();
  }

  /** Show something about the call itself. */
  note(text, kind = "") {
    this.#add(made("li", `note ${kind}`, text));
    this.#announce(text);
    this.#follow();
  }

  #add(item) {
    item.title = new Date().toLocaleTimeString();
    this.#list.append(item);
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
  if (ERRORS.has(outcome)) return "failed";
  return outcome === "needs_confirmation" ? "pending" : "done";
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

function found(event) {
  if (event.type !== "retrieval" || !Array.isArray(event.passages)) return [];
  const count = event.passages.length;
  if (!count) return [made("p", "passages", "Nothing found")];
  const summary = made("summary", "", `${count} ${count === 1 ? "passage" : "passages"}`);
  const texts = event.passages.map((text) => made("blockquote", "", plain(text)));
  return [made("details", "passages", summary, ...texts)];
}

function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
