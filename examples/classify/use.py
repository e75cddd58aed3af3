"""Run what was written; prunus is not needed for it."""

import onnxruntime
from net import load

images, classes = load()[2:]
session = onnxruntime.InferenceSession("small/model.onnx", providers=["CPUExecutionProvider"])
scores = session.run(None, {session.get_inputs()[0].name: images[:16]})[0]
print(f"{(scores.argmax(1) == classes[:16]).sum()} of 16 are right")
