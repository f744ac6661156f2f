"""The smallest picture and half a second of silence."""

import base64
import struct

PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SAMPLES = bytes(8000 * 2 // 2)
SOUND = (
    b"RIFF" + struct.pack("<I", 36 + len(SAMPLES)) + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    + b"data" + struct.pack("<I", len(SAMPLES)) + SAMPLES
)  # fmt: skip
