// One tile for each person and each shared screen: picture, name, and a mark for whoever speaks.

const list = document.getElementById("tiles");
const tiles = new Map();
const COLOURS = ["#2f6f4f", "#6f2f5f", "#2f4f7f", "#7f5a2f", "#4f2f7f", "#2f6f7f"];
/** Louder than this, on a scale to 1, is speech. */
const SPEECH = 0.04;

let audio;

/** Shows somebody; does nothing if they are shown already. */
export function show(key, { name, isMine = false, isScreen = false }) {
  if (tiles.has(key)) return;
  const element = document.createElement("li");
  element.className = `tile${isMine ? " mine" : ""}${isScreen ? " screen" : ""}`;
  const initial = document.createElement("span");
  initial.className = "initial";
  initial.setAttribute("aria-hidden", "true");
  initial.textContent = [...name][0]?.toUpperCase() ?? "?";
  initial.style.background = COLOURS[[...key].reduce((sum, c) => sum + c.codePointAt(0), 0) % COLOURS.length];
  const label = document.createElement("div");
  label.className = "name";
  const text = document.createElement("span");
  text.textContent = `${name}${isMine ? " (you)" : ""}${isScreen ? " · screen" : ""}`;
  const state = document.createElement("span");
  state.hidden = true;
  // A word and not a colour alone. Not announced whenever it changes: nobody could listen to the call beside that.
  const voice = document.createElement("span");
  voice.className = "voice";
  voice.textContent = "speaking";
  voice.hidden = true;
  label.append(text, state, voice);
  element.append(initial, label);
  list.append(element);
  tiles.set(key, { element, state, voice, stopListening: () => {} });
}

/** Shows what a stream of theirs carries. Pass `null` for no stream. */
export function attach(key, stream, { isMine = false } = {}) {
  const tile = tiles.get(key);
  if (!tile) return;
  tile.stopListening();
  tile.element.querySelector("video")?.remove();
  speaks(tile, false);
  if (!stream) return;
  const video = document.createElement("video");
  video.autoplay = video.playsInline = true;
  video.muted = isMine;
  video.srcObject = stream;
  video.setAttribute("aria-hidden", "true");
  const showOrHide = () => {
    video.style.visibility = stream.getVideoTracks().some((track) => track.readyState === "live" && !track.muted && track.enabled) ? "visible" : "hidden";
  };
  // Whoever gave the stream may listen to its tracks as well.
  const over = new AbortController();
  for (const track of stream.getTracks()) {
    for (const change of ["mute", "unmute", "ended"]) track.addEventListener(change, showOrHide, { signal: over.signal });
  }
  showOrHide();
  tile.element.prepend(video);
  video.play().catch(() => {});
  const stopListening = listen(stream, tile);
  tile.stopListening = () => {
    over.abort();
    stopListening();
  };
}

/** A word beside the name, such as "muted"; an empty one removes it. */
export function mark(key, word) {
  const tile = tiles.get(key);
  if (!tile) return;
  tile.state.textContent = word;
  tile.state.hidden = word === "";
}

export function remove(key) {
  const tile = tiles.get(key);
  if (!tile) return;
  tile.stopListening();
  tile.element.remove();
  tiles.delete(key);
}

export function clear() {
  for (const key of [...tiles.keys()]) remove(key);
}

function speaks({ element, voice }, isSpeaking) {
  element.classList.toggle("speaking", isSpeaking);
  voice.hidden = !isSpeaking;
}

/** Marks the tile while something is heard. */
function listen(stream, tile) {
  if (stream.getAudioTracks().length === 0) return () => {};
  audio ??= new AudioContext();
  audio.resume().catch(() => {});
  const source = audio.createMediaStreamSource(new MediaStream(stream.getAudioTracks()));
  const analyser = audio.createAnalyser();
  // As long as the time between two looks, or short sounds would be missed.
  analyser.fftSize = 4096;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  // Silence until something was heard.
  let silentFor = 5;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    silentFor = loudness > SPEECH ? 0 : silentFor + 1;
    speaks(tile, silentFor < 5);
  }, 100);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}
