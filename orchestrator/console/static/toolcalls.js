/* The tool calls of one conversation: from the agent's events while it lasts, and from its log. */

const NEAR = 1; // milliseconds by which two accounts of one call may differ

export class ToolCalls {
  #timeline;
  #calls = []; // {call, item, event, entry}: which of the two sources has told of it
  #read = 0; // entries of the log, which only grows

  constructor(timeline) {
    this.#timeline = timeline;
  }

  /** Show what an event tells of; it knows more than the log, where that came first. */
  event(call) {
    const known = this.#find(call, "event");
    const item = this.#timeline.tool(call, { instead: known?.item });
    if (known) Object.assign(known, { item, event: true });
    else this.#calls.push({ call, item, event: true, entry: false });
  }

  /** Show what only the log, which is given whole, tells of. */
  log(entries) {
    const unread = entries.slice(this.#read);
    this.#read += unread.length;
    for (const call of unread) {
      const known = this.#find(call, "entry");
      if (known) {
        known.entry = true;
        continue;
      }
      const item = this.#timeline.tool(call, { at: Date.parse(call.called_at) });
      this.#calls.push({ call, item, event: false, entry: true });
    }
  }

  /** Find a call that this source has not told of yet. */
  #find(call, source) {
    return this.#calls.find((known) => !known[source] && same(known.call, call));
  }
}

function same(one, other) {
  return (
    ["server", "tool", "outcome"].every((name) => one[name] === other[name]) &&
    Math.abs(one.ms - other.ms) <= NEAR
  );
}
