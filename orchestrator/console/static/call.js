/* One call: a LiveKit room with the agent in it. It knows nothing of the page. */

const LiveKit = window.LivekitClient;
const AGENT_PATIENCE = 15_000; // milliseconds

LiveKit?.setLogLevel("warn"); // else the console shows the token

/** A failure whose message is fit for the page. */
export class CallError extends Error {}

/**
 * Ask the API for a conversation with a bot. While all agents are busy, `queued(place)` is called
 * each time that the API has been asked. Aborting `signal` leaves the queue: null is returned.
 */
export async function startSession(business, bot, queued, signal) {
  let ticket; // keeps the place
  while (!signal.aborted) {
    const response = await request("/api/sessions/start", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ business, bot, ticket }),
    });
    if (response.status === 429 && ticket) {
      await pause(retryAfter(response), signal); // who waits does not lose the place
      continue;
    }
    if (!response.ok) throw new CallError(await refused(response, business, bot));
    const answer = await response.json();
    if (signal.aborted) break;
    if (response.status !== 202) return answer;
    ticket = answer.ticket;
    queued(answer.place);
    await pause(answer.retry_after, signal);
  }
  return null;
}

/** Fetch the tool calls of a conversation so far; none if they are not to be had. */
export async function toolCalls(session) {
  const id = encodeURIComponent(session.conversation_id);
  try {
    const response = await fetch(`/api/conversations/${id}/tool_calls`, {
      headers: { Authorization: `Bearer ${session.conversation_token}` },
    });
    return response.ok ? await response.json() : [];
  } catch {
    return []; // they are asked for again
  }
}

/** Fetch the transcript of a conversation as a file. */
export async function exported(session, format) {
  const response = await request(
    `/api/conversations/${encodeURIComponent(session.conversation_id)}/export?format=${format}`,
    { headers: { Authorization: `Bearer ${session.conversation_token}` } },
  );
  if (!response.ok) throw new CallError(await explained(response));
  const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
  return { name: named?.[1] ?? `transcript.${format}`, content: await response.blob() };
}

async function request(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new CallError("The server cannot be reached. Is Antiphon running?");
  }
}

async function refused(response, business, bot) {
  if (response.status === 401 || response.status === 404) {
    return (
      `There is no bot “${bot}” of “${business}” that takes calls from this page. ` +
      "Check both names, and that the bot is declared with allow_anonymous."
    );
  }
  return explained(response);
}

function retryAfter(response) {
  return Number(response.headers.get("Retry-After")) || 60;
}

/** Wait so many seconds, or until the signal is aborted. */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(1, Number(seconds) || 2) * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

async function explained(response) {
  if (response.status === 429) {
    return `Too many calls from this address. Try again in ${retryAfter(response)} seconds.`;
  }
  const body = await response.json().catch(() => ({}));
  return body.message ?? `The server answered ${response.status}.`;
}

/** Open the microphone. Returns a track, or why there is none. */
export async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    return { problem: "Browsers give the microphone only to https pages and to localhost." };
  }
  try {
    return { track: await LiveKit.createLocalAudioTrack() };
  } catch (error) {
    switch (error.name) {
      case "NotAllowedError":
        return { problem: "The browser does not allow this page to use the microphone." };
      case "NotFoundError":
        return { problem: "No microphone was found." };
      case "NotReadableError":
        return { problem: "The microphone is in use by another program." };
      default:
        return { problem: "The microphone could not be opened." };
    }
  }
}

/**
 * The call itself. Handlers:
 *   agent(state)                 initializing until it is there, then listening, thinking, speaking
 *   line({id, who, text, final}) words of either side, the same id again as they grow
 *   event(event)                 what the agent publishes
 *   notice(text)                 something about the connection
 *   playback(allowed)            whether the browser lets us be heard
 *   ended({reason, failed})      once, however it ended
 */
export class Call {
  #room = new LiveKit.Room();
  #handlers;
  #meters = new Map();
  #patience;
  #ending; // why, once somebody has decided it
  #ended = false;

  constructor(handlers) {
    this.#handlers = handlers;
    const { RoomEvent } = LiveKit;
    // Before connecting, so that no word of the greeting is missed.
    this.#room.registerTextStreamHandler("lk.transcription", (reader, from) =>
      this.#read(reader, from.identity),
    );
    this.#room
      .on(RoomEvent.ParticipantConnected, (participant) => this.#meet(participant))
      .on(RoomEvent.ParticipantAttributesChanged, (_, participant) => this.#meet(participant))
      .on(RoomEvent.ParticipantDisconnected, (participant) => this.#miss(participant))
      .on(RoomEvent.TrackSubscribed, (track, publication) => this.#hear(track, publication))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.#unhear(track))
      .on(RoomEvent.DataReceived, (data, from, _, topic) => this.#note(data, from, topic))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#tellPlayback())
      .on(RoomEvent.Reconnecting, () => this.#handlers.notice("The connection was lost; trying again"))
      .on(RoomEvent.Reconnected, () => this.#handlers.notice("The connection is back"))
      .on(RoomEvent.Disconnected, (reason) => this.#end(explainedEnd(reason)));
  }

  /** Enter the room. Without a track, the call is by text. */
  async join(session, track) {
    const rtcConfig = { iceServers: session.ice_servers };
    try {
      await this.#room.connect(session.livekit_url, session.token, { rtcConfig });
    } catch (error) {
      if (this.#ending) return this.#end(this.#ending);
      throw new CallError(`The room could not be entered: ${error.message}`);
    }
    this.#handlers.agent("initializing");
    this.#patience = setTimeout(() => this.#giveUp(), AGENT_PATIENCE);
    this.#room.remoteParticipants.forEach((participant) => this.#meet(participant));
    await this.#room.startAudio().catch(() => {}); // the page then offers a button
    this.#tellPlayback();
    if (track) {
      const publication = await this.#room.localParticipant.publishTrack(track);
      this.#measure("you", publication.track);
    }
  }

  /** Say something in writing; it waits for the answer before it, or interrupts that. */
  async write(text, { interrupt = false } = {}) {
    const attributes = interrupt ? { interrupt: "true" } : {};
    await this.#room.localParticipant.sendText(text, { topic: "lk.chat", attributes });
  }

  /** Return the devices of a kind, `audioinput` or `audiooutput`, and which one is used. */
  async devices(kind) {
    const found = await LiveKit.Room.getLocalDevices(kind, false).catch(() => []);
    return { found, used: this.#room.getActiveDevice(kind) };
  }

  /** Use another device from now on. Returns why that is not possible, if it is not. */
  async useDevice(kind, id) {
    try {
      await this.#room.switchActiveDevice(kind, id);
      return null;
    } catch {
      return "That device could not be opened.";
    }
  }

  /** Say whether there is a microphone in this call. */
  get hasMicrophone() {
    return Boolean(this.#microphone);
  }

  /** Turn the microphone on or off; it is opened where there was none. */
  async setMicrophone(on) {
    if (this.#microphone) {
      await (on ? this.#microphone.unmute() : this.#microphone.mute());
      return null;
    }
    const { track, problem } = await microphone();
    if (problem) return problem;
    const publication = await this.#room.localParticipant.publishTrack(track);
    this.#measure("you", publication.track);
    return null;
  }

  /** Let the agent be heard; needs a click. */
  async playSound() {
    await this.#room.startAudio();
  }

  /** Return how loud both sides are right now, from 0 to 1. */
  get levels() {
    const level = (who) => this.#meters.get(who)?.calculateVolume() ?? 0;
    return { you: this.#microphone?.isMuted ? 0 : level("you"), agent: level("agent") };
  }

  /** Leave. */
  async hangUp() {
    await this.#leave({ reason: "You hung up", failed: false });
  }

  async #leave(ending) {
    this.#ending ??= ending;
    await this.#room.disconnect();
  }

  get #microphone() {
    return this.#room.localParticipant.getTrackPublication(LiveKit.Track.Source.Microphone)?.track;
  }

  #meet(participant) {
    if (!participant.isAgent) return;
    clearTimeout(this.#patience);
    this.#handlers.agent(participant.attributes["lk.agent.state"] ?? "initializing");
  }

  #miss(participant) {
    if (participant.isAgent) this.#handlers.notice("The agent has left the call");
  }

  #giveUp() {
    const reason =
      `No agent took this call within ${AGENT_PATIENCE / 1000} seconds. ` +
      "The workers are busy, or none is running.";
    this.#leave({ reason, failed: true });
  }

  #hear(track, publication) {
    if (track.kind !== LiveKit.Track.Kind.Audio) return;
    document.body.append(track.attach());
    if (publication.source === LiveKit.Track.Source.Microphone) this.#measure("agent", track);
  }

  #unhear(track) {
    track.detach().forEach((element) => element.remove());
  }

  #measure(who, track) {
    this.#meters.get(who)?.cleanup();
    this.#meters.set(who, LiveKit.createAudioAnalyser(track, { smoothingTimeConstant: 0.6 }));
  }

  /** The caller's words come as one stream per guess, the agent's as one stream that grows. */
  async #read(reader, identity) {
    const attributes = reader.info.attributes ?? {};
    const id = attributes["lk.segment_id"] ?? reader.info.id;
    const who = identity === this.#room.localParticipant.identity ? "you" : "agent";
    let text = "";
    try {
      for await (const piece of reader) {
        text += piece;
        this.#handlers.line({ id, who, text, final: false });
      }
    } catch {
      // The call ended in the middle of a sentence: what has come so far stays.
    }
    const ended = who === "agent" || attributes["lk.transcription_final"] === "true";
    if (text) this.#handlers.line({ id, who, text, final: ended });
  }

  #note(data, from, topic) {
    if (topic !== "events" || !from?.isAgent) return;
    try {
      this.#handlers.event(JSON.parse(new TextDecoder().decode(data)));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  #tellPlayback() {
    this.#handlers.playback(this.#room.canPlaybackAudio);
  }

  #end(ending) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#patience);
    this.#meters.forEach((meter) => meter.cleanup());
    this.#meters.clear();
    this.#handlers.ended(this.#ending ?? ending);
  }
}

function explainedEnd(why) {
  const { DisconnectReason } = LiveKit;
  switch (why) {
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return { reason: "The agent hung up", failed: false };
    case DisconnectReason.PARTICIPANT_REMOVED:
      return { reason: "You were removed from the call", failed: true };
    case DisconnectReason.DUPLICATE_IDENTITY:
      return { reason: "The call goes on in another window", failed: true };
    case DisconnectReason.SERVER_SHUTDOWN:
      return { reason: "The server was stopped", failed: true };
    default:
      return { reason: "The connection was lost", failed: true };
  }
}
