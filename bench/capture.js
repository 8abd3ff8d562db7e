// Injected into the pages of a measurement: writes down, with the wall time of each block, what a
// microphone gave, what came back from the stage, and what the listener's <audio> element played.
(() => {
  const RECORDER = `
    class Recorder extends AudioWorkletProcessor {
      constructor() { super(); this.held = []; this.count = 0; this.first = 0; }
      process(inputs) {
        const input = inputs[0][0];
        const block = input ? input.slice() : new Float32Array(128);
        if (!this.count) { this.first = currentFrame; this.at = Date.now(); }
        this.held.push(block); this.count += block.length;
        if (this.count >= 4800) {
          const pcm = new Int16Array(this.count);
          let to = 0;
          for (const part of this.held) for (const s of part)
            pcm[to++] = Math.max(-32768, Math.min(32767, Math.round(s * 32767)));
          this.port.postMessage({ first: this.first, at: this.at, pcm }, [pcm.buffer]);
          this.held = []; this.count = 0;
        }
        return true;
      }
    }
    registerProcessor("recorder", Recorder);`;
  const tapes = {};
  window.tapes = tapes;
  let context;
  let ready;
  const audio = () => {
    if (!context) {
      context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
      const module = URL.createObjectURL(new Blob([RECORDER], { type: "text/javascript" }));
      ready = context.audioWorklet.addModule(module);
    }
    context.resume();
    return ready;
  };
  const record = async (name, makeSource, heard) => {
    if (tapes[name] && !tapes[name].replaceable) return;
    await audio();
    const source = makeSource(context);
    const recorder = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
    const tape = (tapes[name] = tapes[name] ?? { blocks: [], rate: context.sampleRate });
    recorder.port.onmessage = (message) => tape.blocks.push(message.data);
    source.connect(recorder);
    const mute = context.createGain();
    mute.gain.value = 0;
    recorder.connect(mute).connect(context.destination);
    if (heard) source.connect(context.destination);
  };
  window.takeTape = (name, from) => {
    const tape = tapes[name];
    if (!tape) return null;
    const blocks = tape.blocks.slice(from, from + 200);
    return blocks.map((block) => {
      const bytes = new Uint8Array(block.pcm.buffer);
      let text = "";
      for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
      return [block.first, block.at, btoa(text)];
    });
  };

  const getUserMedia = navigator.mediaDevices?.getUserMedia?.bind(navigator.mediaDevices);
  if (getUserMedia) {
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await getUserMedia(wanted);
      if (!tapes.microphone) void record("microphone", (c) => c.createMediaStreamSource(stream.clone()), false);
      return stream;
    };
  }
  const Peer = window.RTCPeerConnection;
  if (Peer) {
    window.RTCPeerConnection = class extends Peer {
      constructor(...args) {
        super(...args);
        (window.peers ??= []).push(this);
        this.addEventListener("track", (event) => {
          if (!tapes.returned)
            void record("returned", (c) => c.createMediaStreamSource(new MediaStream([event.track])), false);
        });
      }
    };
  }
  const play = HTMLMediaElement.prototype.play;
  const seen = new WeakSet();
  HTMLMediaElement.prototype.play = function (...args) {
    if (!this.srcObject && !seen.has(this)) {
      seen.add(this);
      void record("played", (c) => c.createMediaElementSource(this), true);
    }
    return play.apply(this, args);
  };
})();
