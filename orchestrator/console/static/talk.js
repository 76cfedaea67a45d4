/* The talk page: one person, one bot, one call at a time. */

import { Call, CallError, exported, microphone, startSession } from "./call.js";
import { Timeline, made } from "./timeline.js";

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
  ours: "the rest",
};

let named = false; // whether the address says whom to call
let call = null;
let session = null;
let startedAt = 0;
let written = 0;
let writtenAt = null; // when the caller wrote what has not been answered yet

function show(phase, status, state = "") {
  document.body.dataset.phase = phase;
  $("orb").dataset.state = state;
  $("status").textContent = status;
  const talking = phase === "live";
  $("call").hidden = phase !== "idle";
  $("hang-up").hidden = !call;
  $("mute").hidden = !talking;
  $("who").hidden = phase !== "idle" || named;
  $("change").hidden = phase !== "idle" || !named;
  $("words").disabled = $("send").disabled = !talking;
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
  history.replaceState(null, "", `?${new URLSearchParams({ business, bot })}`);
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
  const started = await startSession(business, bot);
  session = started;
  timeline.clear();
  $("empty").hidden = true;
  $("latency").hidden = true;
  $("export").hidden = false;
  call = new Call({ agent, line, event: happened, notice, playback, ended });
  show("connecting", "Connecting");
  await call.join(started, track);
  if (call) showMicrophone();
  else track?.stop();
}

function agent(state) {
  if (!call) return;
  const here = state !== "initializing";
  if (here && !startedAt) {
    startedAt = Date.now();
    timeline.note("The call began");
  }
  show(here ? "live" : "connecting", STATES[state] ?? state, state);
}

function line(words) {
  timeline.line(words);
  if (words.who === "agent" && writtenAt !== null) {
    latency((performance.now() - writtenAt) / 1000, "after your message", {});
    writtenAt = null;
  }
}

function happened(event) {
  switch (event.type) {
    case "agent_tool_call":
    case "retrieval":
      timeline.tool(event);
      break;
    case "interruption":
      timeline.interrupted();
      break;
    case "latency":
      latency(event.seconds.total, "after your last word", event.seconds);
      break;
  }
}

function latency(seconds, since, parts) {
  $("latency").hidden = false;
  $("latency-total").textContent = `${seconds.toFixed(2)} s`;
  $("latency-since").textContent = since;
  const rows = Object.entries(PARTS)
    .filter(([key]) => parts[key] >= 0.005)
    .map(([key, name]) =>
      made("div", "", made("dt", "", name), made("dd", "", `${parts[key].toFixed(2)} s`)),
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
  call = null;
  startedAt = 0;
  writtenAt = null;
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
  if (!problem) showMicrophone(!on);
}

function showMicrophone(muted = false) {
  const silent = muted || !call.hasMicrophone;
  $("mute").setAttribute("aria-pressed", String(muted));
  $("mute").classList.toggle("off", silent);
  $("mute-label").textContent = call.hasMicrophone ? (muted ? "Unmute" : "Mute") : "Use mic";
}

async function write(event) {
  event.preventDefault();
  const text = $("words").value.trim();
  if (!text || !call) return;
  $("words").value = "";
  timeline.line({ id: `written-${++written}`, who: "you", text, final: true });
  writtenAt = performance.now();
  try {
    await call.write(text);
  } catch {
    timeline.note("That could not be sent", "failed");
  }
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
  $("hang-up").addEventListener("click", () => call?.hangUp());
  $("mute").addEventListener("click", toggleMicrophone);
  $("sound").addEventListener("click", () => call?.playSound());
  $("composer").addEventListener("submit", write);
  $("export").addEventListener("click", download);
  show("idle", "Ready when you are");
  requestAnimationFrame(drawLevels);
  if (!window.LivekitClient) {
    complain("LiveKit's script for browsers is not installed here. `antiphon up` installs it.");
    $("call").disabled = true;
  }
}

begin();
