/* The tool calls of one conversation: from the agent's events while it lasts, and from its log. */

const NEAR = 1; // milliseconds by which two accounts of one call may differ

export class ToolCalls {
  #timeline;
  #calls = []; // {call, item, event, entry}: which of the two sources has told of it
  #entries = new Set(); // of the log, by their place in it

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

  /** Show what only the log tells of. */
  log(entries) {
    for (const call of entries) {
      if (this.#entries.has(call.order_index)) continue;
      this.#entries.add(call.order_index);
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
    ["server", "tool", "outcome", "chosen_by"].every((name) => one[name] === other[name]) &&
    Math.abs(one.ms - other.ms) <= NEAR
  );
}
