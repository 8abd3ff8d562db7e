// What the drill's listener writes down in a real browser: the parts that were appended, and every
// 50 ms where the playhead is. Read by browser.py; runs before the page's own scripts.
(() => {
  const seen = { parts: [], heads: [], errors: [] };
  window.drill = seen;
  const KEEP = 20000;
  const decodeTimes = (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const kind = (at) => String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const walk = (from, to) => {
      for (let at = from; at + 8 <= to; ) {
        const size = view.getUint32(at);
        if (size < 8) return;
        if (kind(at) === "moof" || kind(at) === "traf") walk(at + 8, at + size);
        if (kind(at) === "tfdt") seen.parts.push([performance.now(), Number(view.getBigUint64(at + 12))]);
        at += size;
      }
    };
    if (seen.parts.length < KEEP) walk(0, bytes.byteLength);
  };
  const append = SourceBuffer.prototype.appendBuffer;
  SourceBuffer.prototype.appendBuffer = function (data) {
    decodeTimes(data instanceof ArrayBuffer ? new Uint8Array(data)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return append.call(this, data);
  };
  addEventListener("error", (event) => seen.errors.length < 50 && seen.errors.push(String(event.message)));
  setInterval(() => {
    const audio = document.querySelector("audio");
    if (!audio || seen.heads.length > KEEP) return;
    seen.heads.push([performance.now(), audio.currentTime, audio.paused ? 1 : 0]);
  }, 50);
})();
