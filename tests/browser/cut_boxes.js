// The expression's value: [boxes found, whether every cut finds the same, a cursor].
(async () => {
  const { BoxReader, readCursor, readDecodeTime } = await import("/static/boxes.js");
  const bytes = new Uint8Array(await (await fetch(location.pathname + "/replay/opus.mp4")).arrayBuffer());
  const found = (step) => {
    const reader = new BoxReader();
    const boxes = [];
    for (let at = 0; at < bytes.length; at += step) {
      for (const box of reader.push(bytes.subarray(at, at + step))) {
        boxes.push([box.type, box.bytes.length, box.type === "moof" && readDecodeTime(box.bytes)]);
      }
    }
    return JSON.stringify(boxes);
  };
  const whole = found(bytes.length);
  const skip = [0, 0, 0, 24, 0x73, 0x6b, 0x69, 0x70, 0x73, 0x74, 0x63, 0x75, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 5];
  return [JSON.parse(whole).length, [1, 7, 8, 100, 1449].every((step) => found(step) === whole),
    readCursor(new Uint8Array(skip))];
})();
