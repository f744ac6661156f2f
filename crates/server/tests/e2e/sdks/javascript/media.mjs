// The smallest picture and half a second of silence.

export const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkM9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const SAMPLES = 8000;
const head = Buffer.alloc(44);
head.write("RIFF", 0);
head.writeUInt32LE(36 + SAMPLES, 4);
head.write("WAVEfmt ", 8);
head.writeUInt32LE(16, 16);
head.writeUInt16LE(1, 20);
head.writeUInt16LE(1, 22);
head.writeUInt32LE(8000, 24);
head.writeUInt32LE(16000, 28);
head.writeUInt16LE(2, 32);
head.writeUInt16LE(16, 34);
head.write("data", 36);
head.writeUInt32LE(SAMPLES, 40);
export const SOUND = Buffer.concat([head, Buffer.alloc(SAMPLES)]);
