/* The talk page: one person, one bot, one call at a time. */

import { Call, CallError, exported, microphone, startSession, toolCalls } from "./call.js";
import { Timeline, made } from "./timeline.js";
import { ToolCalls } from "./toolcalls.js";

const $ = (id) => document.getElementById(id);
const timeline = new Timeline($("timeline"), $("announcer"));

const STATES = {
  initializing: "Waiting for the agent",
  idle: "The agent is waiting",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
};
const PARTS = {
  hearing: "hearing",
  endpointing: "end of turn",
  retrieval: "retrieval",
  model: "model",
  tools: "tools",
  speech: "voice",
  filler: "end of the filler",
  ours: "the rest",
};
const SINCE = { speech: "after your last word", text: "after your message" };
const DEVICES = { audioinput: "Microphone", audiooutput: "Loudspeaker" };
const EXAMPLE = "What can you help me with?"; // unless the address has one
const LIMIT = 2000; // characters of a message, as the agent takes it
const LOG_DELAYS = [1000, 3000, 8000]; // milliseconds after the end; by then its log is complete

let named = false; // whether the address says whom to call
let call = null;
let session = null;
let calls = null; // of tools, in the session
let waiting = null; // aborting it leaves the queue
let startedAt = 0;
let thinkingSince = null; // when the agent began to work on an answer
let tool = null; // that runs: its name, and since when
let written = []; // ids and texts of what was typed, and not refused
let writtenAt = null; // when the caller wrote what has not been answered yet

function show(phase, status, state = "") {
  document.body.dataset.phase = phase;
  $("orb").dataset.state = state;
  $("status").textContent = status;
  const talking = phase === "live";
  $("call").hidden = phase !== "idle";
  $("leave").hidden = phase !== "queued";
  $("hang-up").hidden = !call;
  $("mute").hidden = !talking;
  $("who").hidden = phase !== "idle" || named;
  $("change").hidden = phase !== "idle" || !named;
  $("words").disabled = !talking;
  $("devices").hidden = !talking || !$("devices").querySelector("div:not([hidden])");
  $("example").hidden = !talking || written.length > 0;
  offerInterrupt();
  measure();
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function hint(text) {
  $("hint").textContent = text;
  $("hint").hidden = !text;
}

async function place(event) {
  event.preventDefault();
  const [business, bot] = [$("business").value.trim(), $("bot").value.trim()];
  const address = new URLSearchParams(location.search);
  address.set("business", business);
  address.set("bot", bot);
  history.replaceState(null, "", `?${address}`);
  name(business, bot);
  complain("");
  hint("");
  show("connecting", "Opening the microphone");
  // First, so that nobody misses the greeting while the browser asks for leave.
  const { track, problem } = await microphone();
  if (problem) hint(`${problem} You can type instead; the agent still speaks.`);
  try {
    await enter(business, bot, track);
  } catch (error) {
    track?.stop();
    ended({ reason: "", failed: false });
    complain(error instanceof CallError ? error.message : "Something went wrong on this page.");
    if (!(error instanceof CallError)) throw error;
  }
}

async function enter(business, bot, track) {
  show("connecting", "Connecting");
  $("timeline").focus(); // the button that had it is gone
  waiting = new AbortController();
  const started = await startSession(business, bot, queued, waiting.signal);
  $("queue-clip").pause();
  if (!started) {
    track?.stop();
    ended({ reason: "", failed: false });
    hint("You have left the queue.");
    return;
  }
  session = started;
  timeline.clear();
  calls = new ToolCalls(timeline);
  written = [];
  $("empty").hidden = true;
  $("latency").hidden = true;
  $("export").hidden = false;
  call = new Call({ agent, line, event: happened, notice, playback, ended });
  show("connecting", "Connecting");
  await call.join(started, track);
  if (!call) return track?.stop();
  showMicrophone();
  await listDevices();
}

/** Show the place in the queue; the first time, say that there is one. */
function queued(place) {
  const first = $("leave").hidden;
  show("queued", `You are number ${place} in the queue`);
  if (!first) return;
  $("empty").hidden = true;
  timeline.clear();
  timeline.note("All our agents are busy. Please stay, you are in the queue."); // as the clip says
  $("leave").focus();
  $("queue-clip").currentTime = 0;
  $("queue-clip").play().catch(() => {}); // a browser may not allow it; the words are there
}

function agent(state) {
  if (!call) return;
  const here = state !== "initializing";
  thinkingSince = state === "thinking" ? (thinkingSince ?? performance.now()) : null;
  if (state !== "thinking") tool = null;
  if (here && !startedAt) {
    startedAt = Date.now();
    timeline.note("The call began");
  }
  show(here ? "live" : "connecting", STATES[state] ?? state, state);
  showElapsed();
  if (state === "speaking" || state === "listening") readLog();
}

/** Say which tool runs, and for how long it or the thinking has gone on, from a second on. */
function showElapsed() {
  const since = tool?.since ?? thinkingSince;
  const seconds = since === null ? 0 : Math.floor((performance.now() - since) / 1000);
  const using = tool && thinkingSince !== null ? `Using ${tool.name}` : "";
  $("elapsed").hidden = !using && seconds < 1;
  $("elapsed").textContent = `${using}${seconds < 1 ? "" : ` for ${seconds} s`}`.trim();
}

/** Offer to interrupt while the agent is busy with an answer to what was written. */
function offerInterrupt() {
  const state = $("orb").dataset.state;
  const busy = written.length > 0 && state !== "listening" && state !== "idle";
  $("send-now").hidden = document.body.dataset.phase !== "live" || !(busy || writtenAt !== null);
}

/** Fill the lists of devices; one that the browser cannot change is not shown. */
async function listDevices() {
  for (const [kind, name] of Object.entries(DEVICES)) {
    const { found, used } = (await call?.devices(kind)) ?? { found: [] };
    const options = found.map(({ deviceId, label }, number) => {
      const option = made("option", "", label || `${name} ${number + 1}`);
      option.value = deviceId;
      option.selected = deviceId === used;
      return option;
    });
    $(kind).replaceChildren(...options);
    const canChange = kind === "audioinput" || "setSinkId" in HTMLMediaElement.prototype;
    $(kind).parentElement.hidden = !options.length || !canChange;
  }
  $("devices").hidden = !call || !$("devices").querySelector("div:not([hidden])");
}

async function chooseDevice(event) {
  const problem = await call?.useDevice(event.target.id, event.target.value);
  hint(problem ?? "");
}

/** Show the tool calls that no event has told of: a bot may publish none. */
async function readLog() {
  const shown = calls;
  const entries = await toolCalls(session);
  if (calls === shown) calls.log(entries);
}

function line(words) {
  timeline.line(words);
  if (words.who === "agent" && writtenAt !== null) {
    latency("text", { first_sound: (performance.now() - writtenAt) / 1000 });
    writtenAt = null;
    offerInterrupt();
  }
}

function happened(event) {
  switch (event.type) {
    case "agent_tool_request":
      tool = { name: `${event.server} ${event.tool}`, since: performance.now() };
      showElapsed();
      break;
    case "agent_tool_call":
      tool = null;
      showElapsed();
      calls.event({ chosen_by: "model", ...event });
      break;
    case "retrieval":
      calls.event({ chosen_by: "retrieval", ...event });
      break;
    case "interruption":
      timeline.interrupted();
      break;
    case "latency":
      writtenAt = null;
      offerInterrupt();
      latency(event.since, event.seconds);
      break;
    case "text_refused":
      textRefused(event.message);
      break;
  }
}

/** Show how long the last answer took; without the agent's own figures, only its first words. */
function latency(since, seconds) {
  const shown = (value) => (value === undefined ? "–" : `${value.toFixed(2)} s`);
  $("latency").hidden = false;
  $("latency-since").textContent = SINCE[since] ?? SINCE.speech;
  $("latency-first").textContent = shown(seconds.first_sound);
  $("latency-total").textContent = shown(seconds.answer);
  const rows = Object.entries(PARTS)
    .filter(([key]) => seconds[key] >= 0.005)
    .map(([key, name]) =>
      made("div", "", made("dt", "", name), made("dd", "", shown(seconds[key]))),
    );
  $("latency-parts").replaceChildren(...rows);
}

function notice(text) {
  timeline.note(text);
}

function playback(allowed) {
  $("sound").hidden = allowed;
}

function ended({ reason, failed }) {
  const seconds = startedAt && Math.max(1, Math.round((Date.now() - startedAt) / 1000));
  if (call) LOG_DELAYS.forEach((delay) => setTimeout(readLog, delay));
  call = null;
  waiting = null;
  startedAt = 0;
  thinkingSince = null;
  tool = null;
  writtenAt = null;
  showElapsed();
  $("sound").hidden = true;
  show("idle", reason ? "The call is over" : "Ready when you are");
  hint("");
  if (seconds) timeline.note(`${reason}, after ${duration(seconds)}`, failed ? "failed" : "");
  else if (failed) complain(reason);
  $("call").focus();
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

async function toggleMicrophone() {
  const on = !call.hasMicrophone || $("mute").getAttribute("aria-pressed") === "true";
  const problem = await call.setMicrophone(on);
  hint(problem ? `${problem} You can type instead; the agent still speaks.` : "");
  if (problem) return;
  showMicrophone(!on);
  await listDevices(); // the browser names them once it has allowed the microphone
}

function showMicrophone(muted = false) {
  const silent = muted || !call.hasMicrophone;
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").classList.toggle("off", silent);
  $("mute-label").textContent = call.hasMicrophone ? (muted ? "Unmute" : "Mute") : "Use mic";
}

/** Say how long a message may be, and how long this one is. Returns whether it can be sent. */
function measure() {
  const count = [...$("words").value.trim()].length; // as Python counts
  const limit = LIMIT.toLocaleString("en");
  const over = count > LIMIT;
  $("limit").textContent = count
    ? `${count.toLocaleString("en")} of at most ${limit} characters`
    : `At most ${limit} characters`;
  $("limit").classList.toggle("over", over);
  $("words").setAttribute("aria-invalid", String(over));
  $("send").disabled = over || $("words").disabled;
  return count > 0 && !over;
}

async function submit(event) {
  event.preventDefault();
  if (!call || !measure()) return;
  const text = $("words").value.trim();
  $("words").value = "";
  measure();
  await write(text, event.submitter?.id === "send-now");
}

async function write(text, interrupt = false) {
  const id = `written-${performance.now()}`;
  timeline.line({ id, who: "you", text, final: true });
  written.push({ id, text });
  writtenAt = performance.now();
  $("example").hidden = true;
  offerInterrupt();
  try {
    await call.write(text, { interrupt });
  } catch {
    timeline.note("That could not be sent", "failed");
  }
}

/** Say why the agent has not taken a message, and give it back. */
function textRefused(why) {
  const { id, text } = written.pop() ?? {};
  timeline.refused(id, why);
  if (text && !$("words").value) $("words").value = text;
  writtenAt = null;
  offerInterrupt();
  measure();
}

async function download(event) {
  const format = event.target.dataset.format;
  if (!format) return;
  try {
    const { name, content } = await exported(session, format);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
    complain("");
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    complain(error.message);
  }
}

/** Say whom this page calls, or ask. */
function name(business, bot) {
  named = Boolean(business && bot) && $("who").checkValidity();
  $("title").textContent = named ? bot : "Talk to your bot";
  $("subtitle").textContent = named ? business : "Which one would you like to call?";
  document.title = named ? `${bot} · ${business}` : "Talk to your bot";
}

function change() {
  name("", "");
  show("idle", $("status").textContent);
  $("business").focus();
}

function drawLevels() {
  const { you, agent: theirs } = call?.levels ?? { you: 0, agent: 0 };
  const loudness = (value) => Math.min(1, Math.sqrt(value) * 1.4);
  $("level-you").firstElementChild.style.transform = `scaleX(${loudness(you)})`;
  $("level-agent").firstElementChild.style.transform = `scaleX(${loudness(theirs)})`;
  $("orb").firstElementChild.style.transform = `scale(${1 + loudness(theirs) * 0.25})`;
  requestAnimationFrame(drawLevels);
}

function begin() {
  const given = new URLSearchParams(location.search);
  $("business").value = given.get("business") ?? "";
  $("bot").value = given.get("bot") ?? "";
  name($("business").value, $("bot").value);
  $("who").addEventListener("submit", place);
  $("change").addEventListener("click", change);
  $("leave").addEventListener("click", () => waiting?.abort());
  $("hang-up").addEventListener("click", () => call?.hangUp());
  $("mute").addEventListener("click", toggleMicrophone);
  $("sound").addEventListener("click", () => call?.playSound());
  $("composer").addEventListener("submit", submit);
  const example = given.get("example")?.slice(0, LIMIT) || EXAMPLE;
  const offered = $("example").querySelector("button");
  offered.textContent = example;
  offered.addEventListener("click", () => write(example));
  for (const kind of Object.keys(DEVICES)) $(kind).addEventListener("change", chooseDevice);
  navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
  $("words").addEventListener("input", measure);
  $("export").addEventListener("click", download);
  show("idle", "Ready when you are");
  requestAnimationFrame(drawLevels);
  setInterval(showElapsed, 500);
  if (!window.LivekitClient) {
    complain("LiveKit's script for browsers is not installed here. `antiphon up` installs it.");
    $("call").disabled = true;
  }
}

begin();
